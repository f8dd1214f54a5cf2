from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saliency_viewer.domain import Series, Study
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline import CaseFields, read_cohort


def never(_path: str) -> Any:
    raise AssertionError("no study may be opened for this")


def table(folder: Path, text: str) -> Path:
    path = folder / "cohort.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_column_finds_its_place(tmp_path: Path) -> None:
    header = "subject,image,patient,session,label,group,regions,fold,model,age"
    text = f"{header}\ns1,a.nii,p1,m0,sick,TLE,r.nii;q.nii,2,net,43\n"
    (case,) = read_cohort(table(tmp_path, text), never)
    assert case.fields == CaseFields("s1", "p1", "m0", "sick", "TLE")
    assert case.image.path == str(tmp_path / "a.nii")
    assert case.regions == (tmp_path / "r.nii", tmp_path / "q.nii")
    assert case.model == str(tmp_path / "net")
    assert (case.fold, case.covariates) == ("2", {"age": "43"})


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_tables_of_every_spreadsheet_are_read(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeffSubject,Image,Label\r\n s1 ,a.nii,well\r\ns2,b.nii,\r\n".replace(",", delimiter)
    first, second = read_cohort(table(tmp_path, text), never)
    assert (first.fields.subject, first.fields.label) == ("s1", "well")
    assert (second.fields.subject, second.fields.label, second.place) == ("s2", "", "row 2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column subject and no column image"),
        ("subject,label\ns1,x\n", "no column image"),
        ("subject,image\n", "no case"),
        ("subject,image\ns1,\n", "Row 1 of the cohort table has no image"),
        ("subject,image\ns1,a\ns1,b\n", "same subject in row 1 and row 2"),
    ],
)
def test_a_table_that_cannot_be_used_says_what_is_missing(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_cohort(table(tmp_path, text), never)


def test_a_binary_file_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_bytes(b"\xff\xd8\xff\xe0" * 100)
    with pytest.raises(UserError, match="no text table"):
        read_cohort(path, never)


def test_one_subject_may_have_several_sessions(tmp_path: Path) -> None:
    text = "subject,session,image\ns1,m0,a\ns1,m12,b\n"
    assert len(read_cohort(table(tmp_path, text), never)) == 2


def test_files_and_subfolders_of_a_folder_are_cases(tmp_path: Path) -> None:
    for name in ("b.nii.gz", "a.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "1.dcm").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    cases = read_cohort(tmp_path, never)
    assert [Path(case.image.path).name for case in cases] == ["a.png", "b.nii.gz", "study"]
    assert [case.place for case in cases] == ["study 1 of 3", "study 2 of 3", "study 3 of 3"]
    assert all(case.fields == CaseFields() for case in cases)


def test_loose_dicom_files_are_one_case_for_each_series(tmp_path: Path) -> None:
    for name in ("1.dcm", "2.dcm", "3.dcm"):
        (tmp_path / name).write_bytes(b"")

    def series(uid: str, number: int) -> Series:
        return Series(uid, number, "CT", "", 1, 1, 1, None, "axial", "", lambda _context: None)  # type: ignore[arg-type,return-value]

    study = Study(str(tmp_path), (series("1.2.3", 1), series("1.2.4", 2)))
    cases = read_cohort(tmp_path, lambda _path: study)
    assert [(case.image.path, case.image.series) for case in cases] == [
        (str(tmp_path), "1.2.3"),
        (str(tmp_path), "1.2.4"),
    ]


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no case"):
        read_cohort(tmp_path, never)
    with pytest.raises(UserError, match="no such cohort"):
        read_cohort(tmp_path / "none", never)
