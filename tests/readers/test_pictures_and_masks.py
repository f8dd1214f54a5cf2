"""Pictures, NIfTI, label maps, and paths with nothing to read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from saliency_viewer.domain import LabelTable
from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions, open_study
from saliency_viewer.spatial import Geometry

_AFFINE = np.array([[0.0, -2.0, 0.0, 5.0], [1.5, 0.0, 0.0, -7.0], [0.0, 0.0, 3.0, 11.0], [0.0, 0.0, 0.0, 1.0]])
_DATA = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


def _lps(volume: Any, i: int, j: int, k: int) -> Any:
    return volume.geometry.to_patient([k, j, i]) * [-1, -1, 1]


def test_a_camera_turned_picture_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "a.png", exif=exif)
    volume = open_study(tmp_path / "a.png").series[0].load()
    np.testing.assert_array_equal(volume.array[0], np.rot90(np.arange(12).reshape(3, 4), -1))


def test_16_bit_pictures_keep_their_values(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256], [4095, 40000, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    volume = open_study(tmp_path / "a.png").series[0].load()
    np.testing.assert_array_equal(volume.array[0], values)
    assert volume.value_range == (0, 65535)


@pytest.mark.parametrize(("sform", "qform", "oriented"), [(1, 0, True), (0, 1, True), (0, 0, False)])
def test_nifti_places_come_from_sform_then_qform(tmp_path: Path, sform: int, qform: int, oriented: bool) -> None:
    image = nibabel.Nifti1Image(_DATA, None)
    image.header.set_zooms((1.5, 2.0, 3.0))
    if sform:
        image.set_sform(_AFFINE, 1)
    if qform:
        image.set_qform(_AFFINE, 1)
    nibabel.save(image, tmp_path / "a.nii")
    volume = open_study(tmp_path / "a.nii").series[0].load()
    assert volume.geometry.oriented is oriented
    np.testing.assert_array_equal(volume.array, _DATA.transpose(2, 1, 0))
    if oriented:
        np.testing.assert_allclose(_lps(volume, 1, 2, 3), (_AFFINE @ [1, 2, 3, 1])[:3], atol=1e-5)
    else:
        assert any("which side is which" in words for words in volume.warnings)


def test_a_zero_sform_falls_back_to_the_qform(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(_DATA, _AFFINE)
    image.set_qform(_AFFINE, 1)
    image.header.set_sform(np.zeros((4, 4)), 1)
    image.header["srow_x"] = image.header["srow_y"] = image.header["srow_z"] = 0
    raw = image.header.copy()
    path = tmp_path / "a.nii"
    path.write_bytes(raw.binaryblock + b"\0" * 4 + _DATA.tobytes(order="F"))
    volume = open_study(path).series[0].load()
    np.testing.assert_allclose(_lps(volume, 1, 2, 3), (_AFFINE @ [1, 2, 3, 1])[:3], atol=1e-5)
    assert any("sform is not usable" in words for words in volume.warnings)


@pytest.fixture
def image_and_mask(tmp_path: Path) -> tuple[Geometry, Any]:
    nibabel.save(nibabel.Nifti1Image(_DATA, _AFFINE), tmp_path / "image.nii")
    labels = np.zeros(_DATA.shape, dtype=np.uint8)
    labels[1, 0, 2:] = 3
    return open_study(tmp_path / "image.nii").series[0].load().geometry, nibabel.Nifti1Image(labels, _AFFINE)


@pytest.mark.parametrize("turn", [False, True])
def test_masks_land_on_the_same_voxels_in_any_axis_order(
    image_and_mask: tuple[Geometry, Any], tmp_path: Path, turn: bool
) -> None:
    geometry, mask = image_and_mask
    nibabel.save(nibabel.as_closest_canonical(mask) if turn else mask, tmp_path / "mask.nii")
    regions = load_regions(tmp_path / "mask.nii", geometry)
    assert regions.names == ("region",)
    np.testing.assert_array_equal(regions.mask("region"), np.asarray(mask.dataobj).transpose(2, 1, 0) > 0)


def test_a_table_in_the_header_brings_names_and_overlap_back(
    image_and_mask: tuple[Geometry, Any], tmp_path: Path
) -> None:
    geometry, mask = image_and_mask
    labels = np.asarray(mask.dataobj).copy()
    labels[0, 0, 0] = 1
    table = LabelTable((("lung", "#4477AA", (1, 3)), ("lesion", "#EE6677", (3,))))
    written = nibabel.Nifti1Image(labels, _AFFINE)
    written.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", table.to_json().encode()))
    nibabel.save(written, tmp_path / "mask.nii.gz")
    regions = load_regions(tmp_path / "mask.nii.gz", geometry)
    assert regions.names == ("lung", "lesion")
    assert (regions.mask("lung").sum(), regions.mask("lesion").sum()) == (3, 2)


def test_a_soft_mask_is_cut_at_half_and_three_values_are_two_labels(tmp_path: Path) -> None:
    geometry = Geometry.from_spacing((1, 1, 256))
    Image.fromarray(np.arange(256, dtype=np.uint8)[None]).save(tmp_path / "soft.png")
    soft = load_regions(tmp_path / "soft.png", geometry)
    assert soft.mask("region").sum() == 128
    assert any("half its maximum (127.5)" in words for words in soft.warnings)
    Image.fromarray(np.repeat(np.array([[0, 127, 255]], np.uint8), 2, axis=0)).save(tmp_path / "three.png")
    regions = load_regions(tmp_path / "three.png", Geometry.from_spacing((1, 2, 3)))
    assert regions.names == ("label 127", "label 255")
    assert regions.warnings == ()


def test_a_probability_map_is_cut_with_a_word_and_a_fraction_of_one_is_just_a_mask(
    image_and_mask: tuple[Geometry, Any], tmp_path: Path
) -> None:
    geometry, mask = image_and_mask
    inside = np.asarray(mask.dataobj) > 0
    likely = np.where(inside, 0.9, 0.2).astype(np.float32)
    likely[0, 0, 0] = 0.0
    nibabel.save(nibabel.Nifti1Image(likely, _AFFINE), tmp_path / "likely.nii")
    regions = load_regions(tmp_path / "likely.nii", geometry)
    assert regions.mask("region").sum() == inside.sum()
    assert "0.45" in regions.warnings[0]
    nibabel.save(nibabel.Nifti1Image((inside * 0.5).astype(np.float32), _AFFINE), tmp_path / "half.nii")
    regions = load_regions(tmp_path / "half.nii", geometry)
    assert regions.mask("region").sum() == inside.sum()
    assert regions.warnings == ()


def test_colours_are_no_labels_but_palettes_and_equal_channels_are(tmp_path: Path) -> None:
    geometry = Geometry.from_spacing((1, 4, 6))
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 1:3], labels[1:3, 4:] = 1, 2
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    Image.fromarray(colours[labels]).save(tmp_path / "colours.png")
    with pytest.raises(UserError, match="colours are no labels"):
        load_regions(tmp_path / "colours.png", geometry)
    palette = Image.fromarray(labels, "L").convert("P")
    palette.putdata(labels.ravel().tolist())
    palette.putpalette(colours.ravel().tolist())
    palette.save(tmp_path / "palette.png")
    Image.fromarray(np.repeat(labels[..., None], 3, axis=2)).save(tmp_path / "grey.png")
    for name in ("palette.png", "grey.png"):
        regions = load_regions(tmp_path / name, geometry)
        assert [regions.mask(one).sum() for one in ("label 1", "label 2")] == [4, 4]


def test_a_mask_saved_as_jpeg_is_one_region_and_says_how_it_was_cut(tmp_path: Path) -> None:
    inside = np.zeros((64, 64), np.uint8)
    inside[13:37, 21:50] = 255
    Image.fromarray(inside).save(tmp_path / "mask.jpg", quality=60)
    regions = load_regions(tmp_path / "mask.jpg", Geometry.from_spacing((1, 64, 64)))
    assert regions.names == ("region",)
    assert regions.mask("region").sum() == pytest.approx((inside > 0).sum(), abs=6)
    assert "half its maximum" in regions.warnings[0]


def test_a_zip_that_is_cut_short_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "study.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match="damaged"):
        open_study(tmp_path / "study.zip")


def test_a_nifti_file_says_nothing_about_its_modality(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(_DATA, _AFFINE), tmp_path / "a.nii")
    series = open_study(tmp_path / "a.nii").series[0]
    assert (series.modality, series.load().modality) == ("OT", "OT")


def test_every_real_chest_mask_of_its_images_shape_loads(shared_data: Path) -> None:
    images = {path.stem: path for path in (shared_data / "cxr" / "images").iterdir()}
    pairs = [(mask, images[mask.stem]) for mask in (shared_data / "cxr" / "masks").iterdir() if mask.stem in images]
    assert pairs
    for mask, picture in sorted(pairs)[:8]:
        with Image.open(mask) as first, Image.open(picture) as second:
            fits, wanted = first.size == second.size, np.asarray(first.convert("L"))
        geometry = Geometry.from_spacing(open_study(picture).series[0].load().geometry.shape)
        if not fits:
            with pytest.raises(UserError, match="another shape"):
                load_regions(mask, geometry)
            continue
        regions = load_regions(mask, geometry)
        marked = sum(int(regions.mask(name).sum()) for name in regions.names)
        assert marked == np.count_nonzero(wanted)


def test_paths_with_nothing_to_read_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UserError, match="no image"):
        open_study(tmp_path)
    with pytest.raises(UserError, match="no known image format"):
        open_study(tmp_path / "notes.txt")
    with pytest.raises(UserError, match="no such file"):
        open_study(tmp_path / "absent")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path)
    path.chmod(0)
    with pytest.raises(UserError, match="may not be read"):
        open_study(path)
