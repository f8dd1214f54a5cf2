"""A small part of the campaign, the same files in every run, and folders that hold damaged files among sound ones."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study

_RUN = Path(__file__).with_name("run.py")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory and children are read from /proc")


def _campaign(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(_RUN), *arguments], capture_output=True, text=True, timeout=280)


@linux
@pytest.mark.slow
def test_of_four_hundred_damaged_files_none_does_worse_than_a_user_error() -> None:
    # TIFF's library writes its remarks to standard error past Python, so pictures are left to the campaign.
    done = _campaign("--count", "400", "--seed", "1", "--kinds", "dicom", "nifti", "itk", "zip")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = next(line.split() for line in done.stdout.splitlines() if line.startswith("all "))
    assert figures[1] == "400"
    # A campaign that opens nothing, or refuses nothing, damages its files in the wrong way.
    assert min(int(figures[2]), int(figures[3])) > 40


@linux
def test_a_number_always_stands_for_the_same_file(tmp_path: Path) -> None:
    for name in ("first", "again"):
        assert _campaign("--write", str(tmp_path / name), "--count", "60").returncode == 0
    written = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "again")]
    assert len(written[0]) == 60
    assert written[0] == written[1]


def _slice(path: Path, place: float) -> Path:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.2"
    dataset.Modality, dataset.Rows, dataset.Columns = "CT", 6, 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelSpacing, dataset.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [0, 0, place]
    dataset.PixelData = np.full((6, 8), 10 + int(place), np.uint16).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A folder with a series of five slices that hold 10, 12 ... 18."""
    for k in range(5):
        _slice(tmp_path / "study" / f"{k}.dcm", 2 * k)
    return tmp_path / "study"


def _series_of_five(folder: Path) -> Any:
    study = open_study(folder)
    volumes = [one.load() for one in study.series if one.slices == 5 and one.rows == 6]
    assert [volume.array[:, 0, 0].tolist() for volume in volumes] == [[10, 12, 14, 16, 18]]
    return study


@linux
def test_damaged_files_are_listed_with_their_reasons_and_the_sound_series_opens(sound: Path, tmp_path: Path) -> None:
    _campaign("--write", str(tmp_path / "damaged"), "--count", "60", "--kinds", "dicom", "--seed", "2")
    refused = set()
    for path in (tmp_path / "damaged").iterdir():
        path = path.rename(sound / path.name)
        try:
            open_study(path)
        except UserError:
            refused.add(path.name)
    study = _series_of_five(sound)
    listed = {item.path: item.reason for item in study.unreadable}
    assert len(refused) > 5
    # Alone a file that is no DICOM any more is refused; in a folder it counts when its name says that it should be.
    assert refused <= set(listed)
    assert all(listed.values())


def test_links_in_circles_and_links_to_nowhere_are_no_files(sound: Path) -> None:
    (sound / "loop").symlink_to(sound, target_is_directory=True)
    (sound / "up").symlink_to(sound.parent, target_is_directory=True)
    (sound / "self.dcm").symlink_to(sound / "self.dcm")
    (sound / "there.dcm").symlink_to(sound / "back.dcm")
    (sound / "back.dcm").symlink_to(sound / "there.dcm")
    (sound / "nowhere.dcm").symlink_to(sound / "absent")
    assert open_study(sound).series[0].slices == 5
    _series_of_five(sound)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_among_the_files_keeps_nobody_waiting(sound: Path) -> None:
    os.mkfifo(sound / "pipe.dcm")
    os.mkfifo(sound / "a")
    _series_of_five(sound)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_alone_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    with pytest.raises(UserError):
        open_study(tmp_path / "pipe.dcm")


def _zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def _link(target: str) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo("link.dcm")
    info.external_attr = 0o120777 << 16
    return info, target.encode()


@pytest.mark.parametrize(
    "name", ["../../../escaped.dcm", "/escaped.dcm", "a/../../escaped.dcm", "..\\..\\escaped.dcm", "C:\\escaped.dcm"]
)
def test_members_of_a_zip_stay_in_its_folder(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "a" / "b" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    raw = _slice(tmp_path / "one.dcm", 0).read_bytes()
    assert open_study(_zip(tmp_path / "z.zip", (name, raw))).series[0].load().array[0, 0, 0] == 10
    assert not list(tmp_path.rglob("*escaped*"))
    assert not Path("/escaped.dcm").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../../etc/passwd", "link.dcm", "/dev/zero"])
def test_a_link_in_a_zip_is_not_followed(tmp_path: Path, target: str) -> None:
    raw = _slice(tmp_path / "one.dcm", 0).read_bytes()
    study = open_study(_zip(tmp_path / "z.zip", _link(target), ("good.dcm", raw)))
    assert [one.slices for one in study.series] == [1]
    with pytest.raises(UserError):
        open_study(_zip(tmp_path / "only.zip", _link(target)))


_BOMBS: dict[str, Callable[[Path], Path]] = {
    "one large member": lambda folder: _zip(folder / "z.zip", ("x.dcm", bytes(60 * 2**20))),
    "many members": lambda folder: _zip(folder / "z.zip", *((f"{k}.dcm", bytes(2**20)) for k in range(60))),
    "a zip in a zip": lambda folder: _zip(
        folder / "z.zip", ("inner.zip", _zip(folder / "i.zip", ("x.dcm", bytes(60 * 2**20))).read_bytes())
    ),
}


@pytest.mark.parametrize("bomb", _BOMBS)
def test_a_zip_bomb_is_refused(tmp_path: Path, bomb: str) -> None:
    with pytest.raises(UserError):
        open_study(_BOMBS[bomb](tmp_path))
