"""Labels, soft masks, and files that are neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from mask_files import grid, ras_affine
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions
from saliency_viewer.readers.inflate import Inflater
from saliency_viewer.spatial import Geometry

_BLOCKS = np.kron(np.random.default_rng(0).permutation(5000).reshape(1, 50, 100), np.ones((1, 3, 3))).astype(np.int32)


def nifti(path: Path, values: Any, geometry: Geometry) -> Path:
    axes = (2, 1, 0, 3)[: np.ndim(values)]
    nibabel.save(nibabel.Nifti1Image(np.asarray(values).transpose(axes), ras_affine(geometry)), path)
    return path


def parcels(count: int, shape: tuple[int, int, int] = (24, 40, 48), highest: int = 14175) -> Any:
    """A label map of ``count`` contiguous parcels with scattered labels, and nothing around them."""
    rng = np.random.default_rng(count)
    voxels = np.stack(np.mgrid[tuple(slice(size) for size in shape)], axis=-1).reshape(-1, 3)
    labels = np.append(rng.choice(highest - 1, count - 1, replace=False) + 1, highest)
    found = labels[cKDTree(rng.random((count, 3)) * shape).query(voxels)[1]].reshape(shape)
    found[:, :4] = 0
    return found


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_a_hundred_labels_up_to_14175_stay_labels(tmp_path: Path, dtype: Any) -> None:
    labels = parcels(100)
    image = grid(labels.shape)
    regions = load_regions(nifti(tmp_path / "aseg.nii.gz", labels.astype(dtype), image), image)
    assert regions.names == tuple(f"label {value}" for value in np.unique(labels)[1:])
    assert regions.warnings == ()
    for value in np.unique(labels)[1::20]:
        np.testing.assert_array_equal(regions.mask(f"label {value}"), labels == value)


@pytest.mark.parametrize(("top", "width"), [(255, 1.5), (255, 4.0), (1000, 1.5), (1000, 4.0), (20, 1.5)])
def test_a_blurred_mask_is_one_region_cut_at_half(tmp_path: Path, top: int, width: float) -> None:
    inside = np.zeros((16, 40, 40))
    inside[4:12, 8:30, 10:32] = top
    soft = np.rint(ndimage.gaussian_filter(inside, width)).astype(np.int16)
    image = grid(soft.shape)
    regions = load_regions(nifti(tmp_path / "soft.nii", soft, image), image)
    assert regions.names == ("region",)
    np.testing.assert_array_equal(regions.mask("region"), soft > soft.max() / 2)
    assert f"half its maximum ({soft.max() / 2:g})" in regions.warnings[0]


def test_a_picture_with_smooth_edges_is_one_region(tmp_path: Path) -> None:
    fine = np.hypot(*np.mgrid[:1024, :1024] - 500.0) < 300.3
    edge = np.rint(fine.reshape(256, 4, 256, 4).mean(axis=(1, 3)) * 255).astype(np.uint8)
    assert 8 < np.unique(edge).size < 20
    Image.fromarray(edge).save(tmp_path / "drawn.png")
    regions = load_regions(tmp_path / "drawn.png", Geometry.from_spacing((1, 256, 256)))
    np.testing.assert_array_equal(regions.mask("region")[0], edge > 127)


def test_real_soft_masks_and_real_parcellations_are_told_apart(shared_data: Path) -> None:
    for name, parts in (
        ("example_brain_t1_hippo_L", 1),
        ("example_brain_t1_hippo_R", 1),
        ("t1_crop_meshnet_subcortical", 17),
    ):
        path = shared_data / "atlas" / f"{name}.nii.gz"
        values = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ nibabel.load(path).affine[:, [2, 1, 0, 3]]
        regions = load_regions(path, Geometry(values.shape, affine))
        assert len(regions) == parts
        if parts == 1:
            np.testing.assert_array_equal(regions.mask("region"), values > 127.5)
        else:
            np.testing.assert_array_equal(regions.mask("label 14"), values == 14)


def test_a_real_image_is_no_mask(shared_data: Path) -> None:
    path = shared_data / "atlas" / "example_brain_t1.nii.gz"
    with pytest.raises(UserError, match="looks like an image"):
        load_regions(path, grid((93, 137, 137)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((2, 3, 4), -1, np.int16), "negative"),
        (np.linspace(-5, 5, 24).reshape(2, 3, 4).astype(np.float32), "negative"),
        (np.zeros((2, 3, 4), np.uint8), "marks no pixel"),
        (np.full((2, 3, 4), np.nan, np.float32), "marks no pixel"),
        (np.full((2, 3, 4), np.inf, np.float32), "infinite"),
        (np.full((2, 3, 4), 2.0**40, np.float64), "2 147 483 647"),
        (np.full((2, 3, 4), 1j, np.complex64), "complex"),
        (_BLOCKS, "4999 labels, more than"),
    ],
)
def test_values_that_are_no_labels_are_refused_with_the_reason(tmp_path: Path, values: Any, reason: str) -> None:
    image = grid(values.shape)
    with pytest.raises(UserError, match=reason):
        load_regions(nifti(tmp_path / "mask.nii", values, image), image)


def test_voxels_without_a_number_are_outside_and_counted(tmp_path: Path) -> None:
    values = np.full((2, 3, 4), np.nan, np.float32)
    values[1, 1:, 1:] = 1
    regions = load_regions(nifti(tmp_path / "mask.nii", values, grid(values.shape)), grid(values.shape))
    np.testing.assert_array_equal(regions.mask("region"), values == 1)
    assert "18 voxels of the mask hold no number" in regions.warnings[0]


def test_large_labels_cost_no_table(tmp_path: Path) -> None:
    labels = np.zeros((2, 30, 40), np.int32)
    labels[:, 3:9, 4:20], labels[:, 12:20, 4:20] = 2**31 - 1, 1_500_000_000
    image = grid(labels.shape)
    regions = load_regions(nifti(tmp_path / "mask.nii", labels, image), image)
    assert regions.names == ("label 1500000000", "label 2147483647")
    np.testing.assert_array_equal(regions.mask("label 2147483647"), labels == 2**31 - 1)


def test_every_volume_of_a_4d_file_is_a_region_and_they_may_overlap(tmp_path: Path) -> None:
    values = np.zeros((4, 20, 24, 4), np.float32)
    values[1:3, 2:9, 3:9, 0] = 1
    values[:, 5:15, 5:15, 2] = np.linspace(0.05, 0.95, 10)
    values[1, 3:6, 3:6, 3], values[1, 8:12, 8:12, 3] = 1, 2
    image = grid(values.shape[:3])
    for ending in ("nii", "nii.gz"):
        regions = load_regions(nifti(tmp_path / f"mask.{ending}", values, image), image)
        assert regions.names == ("volume 1", "volume 3", "volume 4 label 1", "volume 4 label 2")
        np.testing.assert_array_equal(regions.mask("volume 1"), values[..., 0] > 0)
        np.testing.assert_array_equal(regions.mask("volume 3"), values[..., 2] > 0.475)
        assert regions.warnings[0].startswith("volume 3: The mask holds grey levels")
        assert regions.warnings[1] == "Empty and left out: volume 2."


def test_a_time_series_is_no_set_of_masks(tmp_path: Path) -> None:
    image = grid((1, 2, 2))
    with pytest.raises(UserError, match="holds 257 volumes"):
        load_regions(nifti(tmp_path / "mask.nii", np.ones((1, 2, 2, 257), np.uint8), image), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
def test_a_packed_file_of_many_volumes_is_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: Any
) -> None:
    """Unpacking it anew for each volume would take a time that grows with their square."""
    image = grid((3, 8, 9))
    values = np.random.default_rng(0).integers(0, 2, (3, 8, 9, 12)).astype(dtype)
    unpacked = []
    inflate = Inflater.readinto
    monkeypatch.setattr(Inflater, "readinto", lambda self, view: unpacked.append(len(view)) or inflate(self, view))
    stored = nibabel.Nifti1Image(values.transpose(2, 1, 0, 3), ras_affine(image), dtype=dtype)
    nibabel.save(stored, tmp_path / "mask.nii.gz")
    regions = load_regions(tmp_path / "mask.nii.gz", image)
    for k, region in enumerate(regions.regions):
        np.testing.assert_array_equal(region.mask(image.shape), values[..., k] > 0)
    assert len(regions) == 12
    passes = 2 if dtype == np.int64 else 1  # which smaller type holds 64-bit labels must be known first
    assert sum(unpacked) <= passes * (values.nbytes + 352) + 4096
