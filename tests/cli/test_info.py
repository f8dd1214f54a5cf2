"""What ``info`` shows of who the patient is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from saliency_viewer.cli import run
from saliency_viewer.cli.anonymous import unreadable_name, without_identity
from saliency_viewer.domain import Identity, Series, Study, Unreadable, Volume

RECORD = {
    "series": [
        {
            "description": "T1 Ian LEE, SMITHJOHN_3",
            "orientation": "axial",
            "transfer_syntax": "Implicit VR Little Endian",
            "warnings": ["missing slice: 1 of 8 are absent"],
        }
    ],
    "unreadable": [{"path": "lee_smith.dcm", "reason": "missing pixels"}],
}


def _identity(name: str) -> Identity:
    return Identity(patient_name=name)


@pytest.mark.parametrize("name", ["Ian^Lee", "Axi^Miss", "Little^End"])
def test_words_of_the_standard_and_of_our_warnings_stay(name: str) -> None:
    series = without_identity(RECORD, _identity(name))["series"][0]
    for key in ("orientation", "transfer_syntax", "warnings"):
        assert series[key] == RECORD["series"][0][key]


def test_names_go_from_free_text_short_ones_as_words_and_long_ones_anywhere() -> None:
    found = without_identity(RECORD, _identity("Smith^Lee"))
    assert found["series"][0]["description"] == "T1 Ian [removed], [removed]JOHN_3"
    assert found["unreadable"][0] == {"path": "[removed]_[removed].dcm", "reason": "missing pixels"}
    assert without_identity("sleeping", _identity("Lee")) == "sleeping"


def _path_of(path: str, *identities: Identity) -> str:
    record = {"unreadable": [{"path": path, "reason": "The file is damaged."}]}
    return str(without_identity(record, *identities)["unreadable"][0]["path"])


DOE = Identity("DOE^JOHN", "PX-0042", "19700131", "20240215", ("ACC778", "Heller^Anna", "20240214103000.0000"))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("DOE_JOHN_19700131/1.dcm", "[removed]_[removed]_[removed]/1.dcm"),
        ("does/1.dcm", "does/1.dcm"),  # three letters within a word are no name
        ("doejohn/1.dcm", "[removed]/1.dcm"),
        ("John Doe JDoe doe_j/1.dcm", "[removed] [removed] [removed] [removed]_j/1.dcm"),
        ("31Jan1970/1.dcm", "[removed]/1.dcm"),
        ("31st January, 1970/1.dcm", "[removed]/1.dcm"),
        ("jan 31 70/1.dcm", "[removed]/1.dcm"),
        ("15. Februar 2024/1.dcm", "[removed]/1.dcm"),
        ("15 févr. 2024/1.dcm", "[removed]/1.dcm"),
        ("310170/1.dcm", "[removed]/1.dcm"),
        ("700131 013170/1.dcm", "[removed] [removed]/1.dcm"),
        ("31.1.70/1.dcm", "[removed]/1.dcm"),
        ("15.2.2024, 2/15/24/1.dcm", "[removed], [removed]/1.dcm"),
        ("31 slices of 1970 pixels/1.dcm", "31 slices of 1970 pixels/1.dcm"),
        ("3101701/1.dcm", "3101701/1.dcm"),
        ("born 1970-01-31/1.dcm", "born [removed]/1.dcm"),
        ("31.01.1970/1.dcm", "[removed]/1.dcm"),
        ("31011970/1.dcm", "[removed]/1.dcm"),
        ("1970_01_31/1.dcm", "[removed]/1.dcm"),
        ("01-31-1970/1.dcm", "[removed]/1.dcm"),
        ("1 1970-01-310/1.dcm", "1 1970-01-310/1.dcm"),  # another number
        ("visit-2024-02-15/1.dcm", "visit-[removed]/1.dcm"),
        ("2024.02.14/1.dcm", "[removed]/1.dcm"),
        ("PX-0042/ACC778.dcm", "[removed]/[removed].dcm"),
        ("PX0042/1.dcm", "[removed]/1.dcm"),
        ("PID 42/1.dcm", "PID 42/1.dcm"),
        ("by_anna_heller/1.dcm", "by_[removed]_[removed]/1.dcm"),
    ],
)
def test_paths_lose_names_numbers_and_dates_in_every_form(path: str, shown: str) -> None:
    assert _path_of(path, DOE) == shown


def test_names_go_without_their_accents_and_in_parts_too() -> None:
    who = Identity(patient_name="Müller-Lüdenscheidt^Jürgen")
    for path in ("Mu\u0308ller/1", "MULLER/1", "mueller/1", "Lüdenscheidt/1", "muller-ludenscheidt/1"):
        assert _path_of(path, who) == "[removed]/1"


@pytest.mark.parametrize(
    ("name", "description", "shown"),
    [
        ("Wu^Li", "Wu Li lung, WULI wu_li", "[removed] [removed] lung, [removed] [removed]_[removed]"),
        ("Ng^Bo", "Ng, Bo bone angle", "[removed], [removed] bone angle"),
        ("Yamada^Tarou=山田^太郎", "胸部 山田太郎 太郎君", "胸部 [removed] [removed]君"),
        ("Li^Na=李^娜", "李娜胸部", "[removed]胸部"),
        ("Kim^X=김^철수", "김철수 chest", "[removed] chest"),
        ("O'Brien^Al", "OBrien chest", "[removed] chest"),
        ("Doe^J", "J-shaped chest", "J-shaped chest"),  # an initial is in every other word
    ],
)
def test_short_and_east_asian_names_go_and_so_do_names_written_as_one(name: str, description: str, shown: str) -> None:
    record = {"series": [{"description": description}]}
    assert without_identity(record, _identity(name))["series"][0]["description"] == shown


def test_a_number_goes_without_its_zeros_too() -> None:
    record = {"description": "PID 4123 thorax"}
    assert without_identity(record, Identity(patient_id="004123")) == {"description": "PID [removed] thorax"}


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("DOE_JOHN_19700131/scan.nii", "file 3.nii"),
        ("a/b.NII.GZ", "file 3.nii.gz"),
        ("john.doe.dcm", "file 3.dcm"),
        ("john.doe", "file 3"),
        ("scan", "file 3"),
    ],
)
def test_a_file_that_nobody_could_read_is_a_number_since_its_path_may_be_a_name(path: str, shown: str) -> None:
    assert unreadable_name(3, path) == shown


def test_nothing_of_a_path_is_printed_when_nobody_is_known(monkeypatch, capsys) -> None:
    lost = tuple(Unreadable(f"DOE_JOHN_19700131/{k}.nii", "The file is damaged.") for k in range(2))
    study = Study("x", (_series(1, "", Identity(), ""),), "", Identity(), lost)
    monkeypatch.setattr("saliency_viewer.readers.open_study", lambda _path: study)
    assert run(["info", "x"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == ["Unreadable file 1.nii: The file is damaged.", "Unreadable file 2.nii: The file is damaged."]


def test_everybody_in_a_folder_is_blanked_and_only_free_text_is() -> None:
    assert _path_of("ROE_RICHARD/DOE", DOE, Identity("Roe^Richard")) == "[removed]_[removed]/[removed]"
    record = {"orientation": "axial Heller", "reason": "Heller", "group": "patient 1"}
    assert without_identity(record, DOE) == record


def _series(number: int, group: str, who: Identity, study_uid: str) -> Series:
    def load(_context: object) -> Volume:
        raise AssertionError("info reads no pixels")

    return Series(
        f"1.{number}", number, "CT", f"Thorax {who.patient_name.split('^')[0]}", 4, 5, 6, None, "axial", "", load,
        study_uid=study_uid, group=group, identity=who, grids=("regular", "stored") if number == 1 else ("stored",),
    )  # fmt: skip


@pytest.fixture
def two_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    roe = Identity("ROE^RICHARD", "PX-0077", "19511224", "20240301")
    series = (
        _series(1, "patient 1, study 1", DOE, "1.9.1"),
        _series(2, "patient 1, study 2", replace(DOE, study_date="20240401"), "1.9.2"),
        _series(3, "patient 2", roe, "1.9.3"),
    )
    study = Study("x", series, "1.9.1", DOE, (Unreadable("ROE RICHARD/bad.dcm", "The file is damaged."),))
    monkeypatch.setattr("saliency_viewer.readers.open_study", lambda _path: study)


def test_info_of_two_patients_names_groups_and_grids_and_nobody(two_patients, capsys) -> None:
    assert run(["info", "x", "--json"]) == 0
    text = capsys.readouterr().out
    record = json.loads(text)
    assert [one["group"] for one in record["series"]] == ["patient 1, study 1", "patient 1, study 2", "patient 2"]
    assert [one["grids"] for one in record["series"]] == [["regular", "stored"], ["stored"], ["stored"]]
    assert record["unreadable"] == [{"path": "file 1.dcm", "reason": "The file is damaged."}]
    assert run(["info", "x"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("Patient")] == [
        "Patient 1, study 1:",
        "Patient 1, study 2:",
        "Patient 2:",
    ]
    assert any("regular, stored" in line for line in lines)
    for word in ("DOE", "JOHN", "ROE", "RICHARD", "PX-", "1970", "1951", "2024", "1.9."):
        assert word not in text + "\n".join(lines)


def test_identify_shows_who_each_study_is_of(two_patients, capsys) -> None:
    assert run(["info", "x", "--json", "--identify"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["patient"]["name"] == "DOE^JOHN"
    assert record["study_uid"] == "1.9.1"
    assert [(one["group"], one["study_uid"], one["patient"]["study_date"]) for one in record["studies"]] == [
        ("patient 1, study 1", "1.9.1", "20240215"),
        ("patient 1, study 2", "1.9.2", "20240401"),
        ("patient 2", "1.9.3", "20240301"),
    ]
    assert record["series"][2]["study_uid"] == "1.9.3"
    assert record["unreadable"][0]["path"] == "ROE RICHARD/bad.dcm"
    assert run(["info", "x", "--identify"]) == 0
    said = capsys.readouterr().out
    assert "Patient ROE^RICHARD (ID PX-0077, born 19511224)" in said
    assert "Study of 20240401, UID 1.9.2" in said


def test_a_study_whose_series_name_nobody_is_that_of_the_whole(monkeypatch, capsys) -> None:
    study = Study("x", (_series(1, "", Identity(), ""),), "1.9.1", DOE)
    monkeypatch.setattr("saliency_viewer.readers.open_study", lambda _path: study)
    assert run(["info", "x", "--identify"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["Patient DOE^JOHN (ID PX-0042, born 19700131)", "Study of 20240215, UID 1.9.1"]
