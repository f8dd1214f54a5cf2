from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from saliency_viewer.cli import run
from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.pipeline import Services, explain_study, run_plan
from saliency_viewer.session import Autosave, Document, save_session

FAMILY, GIVEN, NUMBER, BIRTH = "Zwiebelstein", "Adalberta", "PID7734411", "19310228"
PLANTED = (FAMILY, GIVEN, NUMBER, BIRTH)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """An MR series with the patient's name in every place where names are found, but not in the path."""
    folder = tmp_path / "input"
    folder.mkdir()
    rng = np.random.default_rng(2)
    study_uid, series_uid, frame = generate_uid(), generate_uid(), generate_uid()
    for number in range(4):
        dataset = pydicom.Dataset()
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study_uid, series_uid, frame
        dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = f"{FAMILY}^{GIVEN}", NUMBER, BIRTH
        dataset.OtherPatientIDs, dataset.PatientComments = NUMBER, f"{GIVEN} {FAMILY}"
        dataset.StudyDescription = f"head of {FAMILY}"
        dataset.SeriesDescription = f"T1 {GIVEN} {FAMILY} {NUMBER}"
        dataset.ImageComments = f"seen with {FAMILY}"
        dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", 1, number + 1
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [0, 0, 3.0 * number]
        dataset.PixelSpacing, dataset.SliceThickness = [1.0, 1.0], 3.0
        dataset.set_pixel_data(rng.integers(0, 900, (22, 18)).astype(np.uint16), "MONOCHROME2", 12)
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def bytes_of(path: Path) -> list[bytes]:
    """A file's bytes, and those inside it when it is packed."""
    found = [path.read_bytes()]
    if path.suffix == ".gz":
        found.append(gzip.decompress(found[0]))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    return found


def assert_clean(folder: Path) -> None:
    """No planted text in any name or byte below ``folder``, in the encodings that files use."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        for text in PLANTED:
            assert text.lower() not in path.relative_to(folder).as_posix().lower()
            for content in bytes_of(path):
                for encoded in (text.encode(), text.encode("utf-16-le"), text.lower().encode(), text.upper().encode()):
                    assert encoded not in content, f"{text} in {path.name}"


@pytest.fixture
def plan(study: Path, block_model: Path) -> AnalysisPlan:
    return AnalysisPlan(
        ImageReference(str(study)), str(block_model), (MethodRequest("grad-cam"), MethodRequest("gradient")), threads=1
    )


def test_the_search_itself_finds_a_planted_name(study: Path) -> None:
    with pytest.raises(AssertionError, match=FAMILY):
        assert_clean(study)


def test_no_exported_byte_names_the_patient(plan: AnalysisPlan, tmp_path: Path) -> None:
    explain_study(plan, Services(), tmp_path / "out")
    assert_clean(tmp_path / "out")
    uids = {str(getattr(pydicom.dcmread(next(Path(plan.image.path).iterdir())), tag)) for tag in ("StudyInstanceUID",)}
    assert not any(uid in (tmp_path / "out" / "manifest.json").read_text() for uid in uids)


def test_no_byte_of_a_session_or_autosave_names_the_patient(plan: AnalysisPlan, tmp_path: Path) -> None:
    result = run_plan(plan, Services())
    document = Document(plan.image, result.image_hash, plan.model, plan=plan, maps=result.maps)
    save_session(replace(document, prediction=result.prediction), tmp_path / "out" / "work.svsession")
    Autosave(tmp_path / "out" / "autosave", interval=0.0).changed(document)
    assert_clean(tmp_path / "out")


def test_the_command_line_names_nobody_unless_asked(
    study: Path, block_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    commands = (
        ["info", str(study)],
        ["info", str(study), "--json"],
        ["explain", str(study), "--model", str(block_model), "--method", "gradient", "--out", str(out / "e")],
        ["batch", str(study.parent), "--model", str(block_model), "--method", "gradient", "--out", str(out / "b")],
    )
    for command in commands:
        run(command)
        shown = capsys.readouterr()
        for text in PLANTED:
            assert text.lower() not in (shown.out + shown.err).lower()
    assert_clean(out)
    assert run(["info", str(study), "--json", "--identify"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert FAMILY in record["patient"]["name"]
    assert record["patient"]["id"] == NUMBER


def test_the_users_own_folders_learn_nothing(plan: AnalysisPlan, own_home: Path, tmp_path: Path) -> None:
    explain_study(plan, Services(), tmp_path / "out")
    assert_clean(own_home)
