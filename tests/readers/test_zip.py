"""Zips: any images inside, nothing outside, and never more than is stated."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers import archive as archives
from saliency_viewer.readers import open_study
from saliency_viewer.runtime.context import RunContext

_GREY = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where zips are unpacked in these tests."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _png(values: Any = _GREY) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def _nifti(value: int = 1) -> bytes:
    image = nibabel.Nifti1Image(np.full((2, 3, 4), value, np.int16), np.eye(4))
    return bytes(image.to_bytes())


def _zip(path: Path, members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["brain.nii", "brain.nii.gz", "deep/er/BRAIN.NII", "b.nrrd", "b.mha", "p.png", "p.tif"]
)
def test_a_zip_may_hold_any_image(tmp_path: Path, name: str) -> None:
    inner = tmp_path / name.lower().rpartition("/")[2]
    if "p." in name:
        Image.fromarray(_GREY).save(inner)
        expected: Any = _GREY[None]
    elif "nii" in name.lower():
        nibabel.save(nibabel.Nifti1Image(np.full((2, 3, 4), 7, np.int16), np.eye(4)), inner)
        expected = np.full((4, 3, 2), 7)
    else:
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((2, 3, 4), 7, np.int16)), str(inner))
        expected = np.full((2, 3, 4), 7)
    study = open_study(_zip(tmp_path / "z.zip", {name: inner.read_bytes()}))
    np.testing.assert_array_equal(study.series[0].load().array, expected)
    assert study.path == str(tmp_path / "z.zip")


def test_dicom_and_volumes_in_one_zip(make: Any, tmp_path: Path) -> None:
    dicom = make("a", np.full((3, 4), 9)).read_bytes()
    study = open_study(_zip(tmp_path / "z.zip", {"IMG0001": dicom, "mask.nii": _nifti(), "logo.png": _png()}))
    assert [one.modality for one in study.series] == ["CT", "OT"]


def test_a_pair_stays_a_pair(tmp_path: Path) -> None:
    nibabel.Nifti1Pair(np.full((2, 3, 4), 5, np.int16), np.eye(4)).to_filename(tmp_path / "a.img")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((2, 3, 4), 6, np.int16)), str(tmp_path / "b.mhd"))
    members = {f"x/{name}": (tmp_path / name).read_bytes() for name in ("a.hdr", "b.mhd", "a.img", "b.raw")}
    study = open_study(_zip(tmp_path / "z.zip", members))
    assert [int(one.load().array.max()) for one in study.series] == [5, 6]


@pytest.mark.parametrize("name", ["../evil.png", "/tmp/evil.png", "..\\evil.png", "C:\\evil.png", "a/../../evil.png"])
def test_no_member_leaves_the_folder(tmp_path: Path, scratch: Path, name: str) -> None:
    path = _zip(tmp_path / "z.zip", {name: _png(), "fine.png": _png()})
    before = {one for one in tmp_path.rglob("*") if scratch not in one.parents}
    assert len(open_study(path).series) == 2
    assert {one for one in tmp_path.rglob("*") if scratch not in one.parents} == before
    inside = [one for one in scratch.rglob("*") if one.is_file()]
    assert sorted(one.name for one in inside) == ["000000.png", "000001.png"]


def test_members_that_cannot_be_read_are_listed_by_their_own_names(tmp_path: Path) -> None:
    path = _zip(
        tmp_path / "z.zip",
        {"good.png": _png(), "x/cut.png": _png()[:20], "inner.zip": b"PK\x03\x04", "../up.nii": b"no", "n.txt": b"x"},
    )
    study = open_study(path)
    assert len(study.series) == 1
    reasons = {one.path: one.reason for one in study.unreadable}
    assert set(reasons) == {"inner.zip", "../up.nii", "x/cut.png"}
    assert "zip inside the zip" in reasons["inner.zip"]


def test_a_member_with_a_wrong_checksum_is_listed_and_the_rest_opens(tmp_path: Path) -> None:
    path = _zip(tmp_path / "z.zip", {"a.png": _png(), "b.nii": _nifti()}, zipfile.ZIP_STORED)
    block = path.read_bytes()
    path.write_bytes(block.replace(_png()[60:80], bytes(20), 1))
    study = open_study(path)
    assert len(study.series) == 1
    assert [one.path for one in study.unreadable] == ["a.png"]
    assert "damaged in the zip" in study.unreadable[0].reason


def _flag(path: Path, name: bytes, at_local: int, at_central: int, value: int) -> None:
    """Set a 16-bit field in both headers of a member."""
    block = bytearray(path.read_bytes())
    local = block.index(b"PK\x03\x04", max(0, block.index(name) - 30))
    central = block.rindex(name) - 46
    struct.pack_into("<H", block, local + at_local, value)
    struct.pack_into("<H", block, central + at_central, value)
    path.write_bytes(block)


def test_encrypted_and_oddly_packed_members_are_listed(tmp_path: Path) -> None:
    path = _zip(tmp_path / "z.zip", {"secret.png": _png(), "b.nii": _nifti()})
    _flag(path, b"secret.png", 6, 8, 1)
    assert "password" in open_study(path).unreadable[0].reason
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.writestr("a.png", _png(), zipfile.ZIP_LZMA)
        archive.writestr("b.png", _png(), zipfile.ZIP_BZIP2)
        archive.writestr("c.nii", _nifti())
    study = open_study(tmp_path / "y.zip")
    assert [one.path for one in study.unreadable] == ["a.png", "b.png"]
    assert len(study.series) == 1


def test_a_zip_of_which_nothing_can_be_unpacked_says_why(tmp_path: Path, scratch: Path) -> None:
    path = _zip(tmp_path / "z.zip", {"secret.png": _png()})
    _flag(path, b"secret.png", 6, 8, 1)
    with pytest.raises(UserError, match="password"):
        open_study(path)
    assert list(scratch.iterdir()) == []
    with pytest.raises(UserError, match="zip file holds no image"):
        open_study(_zip(tmp_path / "y.zip", {"a.txt": b"text"}))
    assert list(scratch.iterdir()) == []


def test_a_bomb_is_stopped_by_what_it_says_and_by_what_it_does(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _zip(tmp_path / "z.zip", {"a.nii": bytes(30_000_000)})
    with pytest.raises(UserError, match="too much"):
        open_study(path)
    # Ten members that share one stream of data: little in the file, ten times as much outside it.
    monkeypatch.setattr(archives, "_SMALL", 100_000)
    path = _overlapping(tmp_path / "y.zip", bytes(60_000), 10)
    with pytest.raises(UserError, match="too much"):
        open_study(path)
    assert list(scratch.iterdir()) == []


def _overlapping(path: Path, content: bytes, count: int) -> Path:
    """An archive whose directory names the same data many times and gives its size as one byte."""
    _zip(path, {"0.nii": content})
    block = path.read_bytes()
    start = block.index(b"PK\x01\x02")
    entry = block[start : block.index(b"PK\x05\x06")]
    entries = b"".join(entry.replace(b"0.nii", f"{k}.nii".encode()) for k in range(count))
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    path.write_bytes(block[:start] + entries + end)
    return path


def test_a_member_larger_than_it_says_is_damaged(tmp_path: Path) -> None:
    path = _zip(tmp_path / "z.zip", {"a.nii": bytes(100_000), "b.png": _png()})
    block = bytearray(path.read_bytes())
    central = block.rindex(b"a.nii") - 46
    struct.pack_into("<I", block, central + 24, 400)
    path.write_bytes(block)
    study = open_study(path)
    assert [one.path for one in study.unreadable] == ["a.nii"]
    assert len(study.series) == 1


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _zip(tmp_path / "z.zip", {"a.png": _png()})
    monkeypatch.setattr(archives, "_SPARE", 2**62)
    with pytest.raises(UserError, match="free disk space"):
        open_study(path)
    assert list(scratch.iterdir()) == []


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_FILES", 3)
    with pytest.raises(UserError, match="too much"):
        open_study(_zip(tmp_path / "z.zip", {f"{k}.png": _png() for k in range(4)}))


def test_two_members_of_one_name_are_both_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.nii", _nifti(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.nii", _nifti(2))
    study = open_study(tmp_path / "z.zip")
    assert sorted(int(one.load().array.max()) for one in study.series) == [1, 2]


def test_unpacking_can_be_stopped_and_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(Cancelled):
        open_study(_zip(tmp_path / "z.zip", {"a.png": _png()}), RunContext(cancel=lambda: True))
    assert list(scratch.iterdir()) == []
