from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

from saliency_viewer.domain import AnalysisResult, Region, RegionSet
from saliency_viewer.exporters import write_map_nifti, write_regions, write_volume
from saliency_viewer.readers import load_regions
from saliency_viewer.spatial import Geometry

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def test_nibabel_finds_every_voxel_where_the_map_has_it(result: AnalysisResult, tmp_path: Path) -> None:
    amap = result.maps[0]
    image = nibabel.load(write_map_nifti(amap, tmp_path / "map.nii.gz"))
    data = np.asarray(image.dataobj)
    assert data.dtype == np.float32
    for z, y, x in [(1, 0, 0), (3, 11, 9), (2, 5, 7)]:
        assert data[x, y, z] == amap.array[z, y, x]
        ras = nibabel.affines.apply_affine(image.affine, (x, y, z))
        np.testing.assert_allclose(ras, amap.geometry.to_patient((z, y, x)) * LPS_TO_RAS, atol=1e-4)


def test_simpleitk_reads_the_same_points_in_lps(result: AnalysisResult, tmp_path: Path) -> None:
    amap = result.maps[0]
    image = SimpleITK.ReadImage(str(write_map_nifti(amap, tmp_path / "map.nii.gz")))
    # ITK reads NaN as 0.
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), np.nan_to_num(amap.array))
    for index in [(0, 0, 0), (3, 11, 9), (2, 5, 7)]:
        point = image.TransformIndexToPhysicalPoint(tuple(reversed(index)))
        np.testing.assert_allclose(point, amap.geometry.to_patient(index), atol=1e-4)
    np.testing.assert_allclose(image.GetSpacing(), amap.geometry.spacing[::-1], atol=1e-5)


def test_unseen_voxels_stay_nan_and_seen_ones_do_not(result: AnalysisResult, tmp_path: Path) -> None:
    data = np.asarray(nibabel.load(write_map_nifti(result.maps[0], tmp_path / "map.nii.gz")).dataobj)
    assert np.isnan(data[:, :, 0]).all()
    assert np.isfinite(data[:, :, 1:]).all()


def test_a_sheared_grid_is_kept_in_the_sform_and_not_claimed_in_the_qform(
    result: AnalysisResult, tmp_path: Path
) -> None:
    affine = result.volume.geometry.affine.copy()
    affine[:3, 0] += 0.6 * affine[:3, 1]  # a tilted gantry: slices slide along the rows
    geometry = Geometry(result.volume.geometry.shape, affine)
    amap = dataclasses.replace(result.maps[0], geometry=geometry)
    image = nibabel.load(write_map_nifti(amap, tmp_path / "map.nii.gz"))
    assert int(image.header["qform_code"]) == 0
    ras = nibabel.affines.apply_affine(image.affine, (9, 11, 3))
    np.testing.assert_allclose(ras, geometry.to_patient((3, 11, 9)) * LPS_TO_RAS, atol=1e-4)


def test_the_same_map_gives_the_same_bytes(result: AnalysisResult, tmp_path: Path) -> None:
    first = write_map_nifti(result.maps[0], tmp_path / "a.nii.gz").read_bytes()
    second = write_map_nifti(result.maps[0], tmp_path / "b.nii.gz").read_bytes()
    assert first == second


def test_regions_become_labels_in_their_order(regions: RegionSet, tmp_path: Path) -> None:
    data = np.asarray(nibabel.load(write_regions(regions, tmp_path / "regions.nii.gz")).dataobj).transpose(2, 1, 0)
    for label, name in enumerate(regions.names, start=1):
        np.testing.assert_array_equal(data == label, regions.mask(name).astype(bool))


def test_overlapping_regions_come_back_whole_and_named(tmp_path: Path) -> None:
    shape = (1, 6, 6)
    lung, lesion, heart = (np.zeros(shape, dtype=bool) for _ in range(3))
    lung[0, :4], lesion[0, 1, 1:3], heart[0, 3:, 3:] = True, True, True
    geometry = Geometry.from_spacing(shape)
    masks = {"left lung": lung, "lesion": lesion, "heart": heart}
    regions = RegionSet(
        geometry, tuple(Region.from_mask(n, c, m) for (n, m), c in zip(masks.items(), "abc", strict=True))
    )
    path = write_regions(regions, tmp_path / "regions.nii.gz")
    labels = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
    assert np.all(labels[lesion] == 2), "a region inside another one keeps its own label for other programs"
    assert np.array_equal(labels > 0, lung | lesion | heart)
    again = load_regions(path, geometry)
    assert again.names == tuple(masks)
    for name, mask in masks.items():
        assert np.array_equal(again.mask(name) == 1, mask)


def test_a_volume_keeps_its_values_and_type(result: AnalysisResult, tmp_path: Path) -> None:
    image = SimpleITK.ReadImage(str(write_volume(result.volume, tmp_path / "image.nii.gz")))
    array = SimpleITK.GetArrayFromImage(image)
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, result.volume.array)
