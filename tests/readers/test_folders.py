"""Folders of anything, and paths that are neither files nor folders."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers import folder as folders
from saliency_viewer.readers import open_study
from saliency_viewer.runtime.context import RunContext

_GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)


def _nifti(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.full((2, 3, 4), value, np.int16), np.eye(4)), path)
    return path


def _values(study: Any) -> list[int]:
    return [int(one.load().array.max()) for one in study.series]


def test_every_image_below_a_folder_is_a_series_in_the_order_of_names(tmp_path: Path) -> None:
    _nifti(tmp_path / "sub-02" / "anat" / "T1w.nii.gz", 3)
    _nifti(tmp_path / "sub-01" / "anat" / "T1w.nii.gz", 2)
    _nifti(tmp_path / "template.nii", 1)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.full((2, 3, 4), 4, np.int16)), str(tmp_path / "sub-02/z.mha"))
    (tmp_path / "dataset_description.json").write_text("{}")
    study = open_study(tmp_path)
    assert _values(study) == [1, 2, 4, 3]
    assert [one.number for one in study.series] == [1, 2, 3, 4]
    assert study.unreadable == ()


def test_damaged_files_are_listed_with_their_place_and_reason_and_the_rest_opens(tmp_path: Path) -> None:
    _nifti(tmp_path / "a" / "good.nii")
    (tmp_path / "a" / "bad.nii.gz").write_bytes(b"\x1f\x8bnothing")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "c.mha").write_bytes(b"NDims = 3\n")
    study = open_study(tmp_path)
    assert len(study.series) == 1
    assert [one.path for one in study.unreadable] == ["b.png", "c.mha", "a/bad.nii.gz"]
    assert all(len(one.reason) > 20 for one in study.unreadable)


def test_a_folder_of_damaged_files_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"short")
    with pytest.raises(UserError, match="No image in the folder can be read"):
        open_study(tmp_path)


def test_volumes_beside_dicom_come_after_it_and_pictures_stay_out(make: Any, tmp_path: Path) -> None:
    make("study/b.dcm", np.full((3, 4), 9), SeriesNumber=7)
    _nifti(tmp_path / "study" / "masks" / "a_seg.nii.gz", 5)
    (tmp_path / "study" / "broken.nrrd").write_bytes(b"NRRD0004\n")
    Image.fromarray(_GREY).save(tmp_path / "study" / "logo.png")
    study = open_study(tmp_path / "study")
    assert [one.number for one in study.series] == [7, 8]
    assert [one.modality for one in study.series] == ["CT", "OT"]
    assert int(study.series[1].load().array.max()) == 5
    assert [one.path for one in study.unreadable] == ["broken.nrrd"]


def test_damaged_dicom_does_not_hide_the_volumes_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    _nifti(tmp_path / "b.nii", 6)
    study = open_study(tmp_path)
    assert _values(study) == [6]
    assert len(study.unreadable) == 1


def test_the_same_file_twice_has_two_ids(tmp_path: Path) -> None:
    _nifti(tmp_path / "a.nii", 1)
    shutil.copy(tmp_path / "a.nii", tmp_path / "b.nii")
    assert len({one.uid for one in open_study(tmp_path).series}) == 2


def test_a_pair_is_one_series(tmp_path: Path) -> None:
    nibabel.Nifti1Pair(np.zeros((2, 3, 4), np.int16), np.eye(4)).to_filename(tmp_path / "a.img")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros((2, 3, 4), np.int16)), str(tmp_path / "b.mhd"))
    study = open_study(tmp_path)
    assert len(study.series) == 2
    assert study.unreadable == ()


def test_hidden_files_and_copies_by_a_mac_are_left_out(tmp_path: Path) -> None:
    _nifti(tmp_path / "a.nii", 1)
    _nifti(tmp_path / ".hidden" / "b.nii", 2)
    _nifti(tmp_path / "__MACOSX" / "c.nii", 3)
    (tmp_path / "._a.nii").write_bytes(b"resource fork")
    study = open_study(tmp_path)
    assert (_values(study), study.unreadable) == ([1], ())


@pytest.mark.timeout(20)
def test_links_in_a_circle_and_broken_ones_do_no_harm(tmp_path: Path) -> None:
    _nifti(tmp_path / "real" / "a.nii", 1)
    (tmp_path / "real" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.nii").symlink_to(tmp_path / "self.nii")
    (tmp_path / "gone.nii").symlink_to(tmp_path / "nowhere.nii")
    (tmp_path / "kept.nii").symlink_to(tmp_path / "real" / "a.nii")
    assert _values(open_study(tmp_path)) == [1, 1]
    for name in ("self.nii", "gone.nii"):
        with pytest.raises(UserError, match="no such file"):
            open_study(tmp_path / name)


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    _nifti(tmp_path / "a.nii", 1)
    os.mkfifo(tmp_path / "pipe.nii")
    os.mkfifo(tmp_path / "pipe.dcm")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        open_study(tmp_path / "pipe.nii")
    with pytest.raises(UserError, match="neither a file nor a folder"):
        open_study("/dev/zero")
    assert _values(open_study(tmp_path)) == [1]
    (tmp_path / "x.nhdr").write_text(
        "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 2 2\nendian: little\nencoding: raw\ndata file: pipe.nii\n"
    )
    with pytest.raises(UserError, match="missing"):
        open_study(tmp_path / "x.nhdr")
    server = socket.socket(socket.AF_UNIX)
    try:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(UserError, match="neither a file nor a folder"):
            open_study(tmp_path / "s")
    finally:
        server.close()


@pytest.mark.parametrize("path", ["a\0b.nii", "x" * 5000, "~nobody-at-all/x.nii", "", "a.nii/b.nii"])
def test_paths_that_cannot_be_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    _nifti(tmp_path / "a.nii")
    if path == "":
        (tmp_path / "a.nii").unlink()
        with pytest.raises(UserError, match="no image"):
            open_study(path)
        return
    with pytest.raises(UserError, match="no such file"):
        open_study(path)


def test_depth_and_number_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path.joinpath(*["d"] * 17)
    _nifti(deep / "a.nii", 2)
    for k in range(5):
        _nifti(tmp_path / f"{k}.nii", 1)
    assert _values(open_study(tmp_path)) == [1] * 5
    monkeypatch.setattr(folders, "_MOST_IMAGES", 3)
    assert len(open_study(tmp_path).series) == 3


def test_looking_through_a_folder_can_be_stopped(tmp_path: Path) -> None:
    _nifti(tmp_path / "a.nii")
    with pytest.raises(Cancelled):
        open_study(tmp_path, RunContext(cancel=lambda: True))


def test_what_a_limit_leaves_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        _nifti(tmp_path / f"{number}.nii", number)
    assert open_study(tmp_path).unreadable == ()
    monkeypatch.setattr(folders, "_MOST_IMAGES", 3)
    (line,) = open_study(tmp_path).unreadable
    assert (line.path, "more than 3 images; the others are not listed" in line.reason) == (".", True)
    monkeypatch.setattr(folders, "_MOST_IMAGES", 5)
    monkeypatch.setattr("saliency_viewer.readers.tree._MOST_ENTRIES", 4)
    study = open_study(tmp_path)
    assert (len(study.series), "more than 4 files" in study.unreadable[0].reason) == (4, True)
    monkeypatch.setattr("saliency_viewer.readers.tree._MOST_ENTRIES", 0)
    with pytest.raises(UserError, match="more than 0 files"):
        open_study(tmp_path)


def test_folders_too_deep_are_mentioned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _nifti(tmp_path / "a.nii")
    _nifti(tmp_path / "b" / "c" / "d.nii")
    _nifti(tmp_path / "e" / "f" / "g.nii")
    assert len(open_study(tmp_path).series) == 3
    monkeypatch.setattr("saliency_viewer.readers.tree._DEEPEST", 1)
    study = open_study(tmp_path)
    assert len(study.series) == 1
    assert ["deep are not looked at" in line.reason for line in study.unreadable] == [True]
