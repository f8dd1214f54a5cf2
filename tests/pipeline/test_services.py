from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from saliency_viewer.domain import ImageReference, Series, Study, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline import Services
from saliency_viewer.readers import stamp
from saliency_viewer.spatial import Geometry


def test_a_volume_and_a_model_are_read_once(image: Path, block_model: Path) -> None:
    services = Services()
    reference = ImageReference(str(image))
    assert services.image(reference).volume is services.image(reference).volume
    assert services.classifier(str(block_model)) is services.classifier(str(block_model))


def test_only_the_latest_volumes_are_kept(make_image: Callable[..., Path], tmp_path: Path) -> None:
    services = Services(volumes=2)
    references = [ImageReference(str(make_image(tmp_path / f"{k}.nii.gz", k))) for k in range(3)]
    first = services.image(references[0]).volume
    services.image(references[1])
    services.image(references[2])
    assert services.image(references[0]).volume is not first
    assert len(services._volumes._items) == 2


def test_a_stamp_changes_with_time_size_and_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    seen = {stamp(str(tmp_path))}
    (tmp_path / "b").write_text("1")
    seen.add(stamp(str(tmp_path)))
    (tmp_path / "b").write_text("12")
    seen.add(stamp(str(tmp_path)))
    os.utime(tmp_path / "a", ns=(1, 1))
    seen.add(stamp(str(tmp_path)))
    assert len(seen) == 4
    assert stamp(str(tmp_path)) in seen


def test_a_folder_with_a_link_to_nowhere_is_still_computed_on(make_image: Callable[..., Path], tmp_path: Path) -> None:
    make_image(tmp_path / "study" / "a.nii.gz", 1)
    before = stamp(str(tmp_path / "study"))
    (tmp_path / "study" / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "study" / "round").symlink_to(tmp_path / "study" / "round")
    assert stamp(str(tmp_path / "study")) == before
    assert Services().image(ImageReference(str(tmp_path / "study"))).volume.array.size
    with pytest.raises(UserError, match="nothing at the given path"):
        stamp(str(tmp_path / "study" / "gone"))


@pytest.mark.parametrize(("header", "voxels"), [("a.mhd", "a.raw"), ("a.nhdr", "a.raw"), ("a.hdr", "a.img")])
def test_voxels_that_changed_behind_their_header_are_read_again(tmp_path: Path, header: str, voxels: str) -> None:
    image = SimpleITK.GetImageFromArray(np.full((4, 5, 6), 3, np.int16))
    SimpleITK.WriteImage(image, str(tmp_path / header))
    services = Services()
    assert services.image(ImageReference(str(tmp_path / header))).volume.array.max() == 3
    data = tmp_path / voxels
    times = data.stat().st_mtime_ns
    data.write_bytes(np.full((4, 5, 6), 7, np.int16).tobytes())
    os.utime(data, ns=(times + 10**9, times + 10**9))
    assert services.image(ImageReference(str(tmp_path / header))).volume.array.max() == 7
    assert services.image(ImageReference(str(tmp_path / header))) is services.image(
        ImageReference(str(tmp_path / header))
    )


def test_a_path_that_is_not_there_is_a_user_error() -> None:
    with pytest.raises(UserError, match="nothing at the given path"):
        stamp("/scans/Doe_Jane")


def _two_grids() -> Series:
    def volume(rows: int) -> Volume:
        array = np.full((4, rows, 8), rows, dtype=np.int16)
        return Volume(array, Geometry.from_spacing(array.shape, calibration="patient", oriented=True), "CT")

    return Series(
        "1.2", 1, "CT", "", 8, 8, 4, (1, 1, 1), "axial", "", lambda _context: volume(8),
        grids=("regular", "stored"), other_loader=lambda _context: volume(6),
    )  # fmt: skip


def test_the_wanted_grid_is_read_and_kept_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study = Study(str(tmp_path), (_two_grids(),))
    monkeypatch.setattr("saliency_viewer.readers.open_study", lambda *_: study)
    services = Services(volumes=5)
    rows = {
        grid: services.image(ImageReference(str(tmp_path), None, grid)).volume.geometry.shape[1]
        for grid in ("", "regular", "stored")
    }
    assert rows == {"": 8, "regular": 8, "stored": 6}
    assert len(services._volumes._items) == 2  # the usual grid under both its names is one
    digests = {services.image(ImageReference(str(tmp_path), None, grid)).digest for grid in ("", "stored")}
    assert len(digests) == 2


def test_a_grid_that_a_series_does_not_offer_is_its_usual_one(image: Path) -> None:
    services = Services()
    usual = services.image(ImageReference(str(image)))
    assert services.image(ImageReference(str(image), None, "regular")) is usual
