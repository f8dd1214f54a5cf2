"""Masks of any grid onto the grid of the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from mask_files import grid, ras_affine, rotation
from PIL import Image

from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions
from saliency_viewer.spatial import Geometry

SHAPE = (6, 20, 24)


def nifti(path: Path, labels: Any, geometry: Geometry) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.asarray(labels).transpose(2, 1, 0), ras_affine(geometry)), path)
    return path


def as_itk(labels: Any, geometry: Geometry) -> Any:
    image = SimpleITK.GetImageFromArray(labels)
    image.SetSpacing(geometry.spacing[::-1])
    image.SetOrigin(geometry.affine[:3, 3])
    image.SetDirection(geometry.direction[:, ::-1].ravel())
    return image


def boxes(shape: tuple[int, int, int] = SHAPE) -> Any:
    labels = np.zeros(shape, np.uint8)
    labels[1:4, 3:11, 4:12] = 1
    labels[2:5, 12:19, 9:22] = 2
    return labels


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_any_format_lands_exactly_on_an_oblique_grid(tmp_path: Path, ending: str) -> None:
    image = grid(SHAPE, origin=(-231.123456789, 87.987654321, -1012.3333333), turn=rotation(23, 0) @ rotation(-11, 2))
    labels = np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)
    path = tmp_path / f"mask.{ending}"
    if ending == "nii.gz":
        nifti(path, labels, image)
    else:
        SimpleITK.WriteImage(as_itk(labels, image), str(path))
    regions = load_regions(path, image)
    assert regions.names == ("label 1", "label 2")
    assert regions.warnings == ()
    np.testing.assert_array_equal(regions.mask(), labels)


def test_a_cropped_and_a_padded_mask_are_taken_over_exactly(tmp_path: Path) -> None:
    image, labels = grid(SHAPE), boxes()
    affine = image.affine.copy()
    affine[:3, 3] = image.to_patient([1, 2, 3])
    regions = load_regions(nifti(tmp_path / "a.nii", labels[1:5, 2:, 3:], Geometry((4, 18, 21), affine)), image)
    np.testing.assert_array_equal(regions.mask(), labels)
    assert regions.warnings == ()
    affine[:3, 3] = image.to_patient([-2, -5, -1])
    padded = np.pad(labels, ((2, 0), (5, 3), (1, 1)))
    regions = load_regions(nifti(tmp_path / "b.nii", padded, Geometry(padded.shape, affine)), image)
    np.testing.assert_array_equal(regions.mask(), labels)
    assert regions.warnings == ()


@pytest.mark.parametrize("turn", [0.0, 9.0])
def test_other_grids_agree_with_simpleitks_nearest_neighbour_and_say_so(tmp_path: Path, turn: float) -> None:
    image = grid(SHAPE)
    source = grid((9, 27, 31), (1.7, 0.61, 0.53), (-30.2, 13.1, 101.3), rotation(turn, 1) @ rotation(turn, 0))
    labels = np.zeros(source.shape, np.uint8)
    labels[1:8, 3:25, 4:16], labels[2:7, 5:20, 18:29] = 1, 3
    regions = load_regions(nifti(tmp_path / "mask.nii", labels, source), image)
    expected = SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(
            as_itk(labels, source), as_itk(boxes(), image), SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 0
        )
    )
    for name, label in (("label 1", 1), ("label 3", 3)):
        assert (regions.mask(name) == (expected == label)).mean() > 0.999  # borders of voxels fall either way
    assert "voxels of 0.61 x 0.53 x 1.7 mm" in regions.warnings[0]


def test_parts_outside_the_image_are_counted_and_what_is_wholly_outside_is_refused(tmp_path: Path) -> None:
    image, labels = grid(SHAPE), boxes()
    affine = image.affine.copy()
    affine[:3, 3] = image.to_patient([0, 0, 16])
    regions = load_regions(nifti(tmp_path / "a.nii", labels, Geometry(SHAPE, affine)), image)
    assert regions.names == ("label 1",)
    assert regions.mask("label 1").sum() == 3 * 8 * 4
    assert regions.warnings == ("Parts outside the image are left out: label 1 50 %, label 2 100 %.",)
    affine[:3, 3] = image.to_patient([0, 40, 0])
    with pytest.raises(UserError, match="No part of the mask lies in the image"):
        load_regions(nifti(tmp_path / "b.nii", labels, Geometry(SHAPE, affine)), image)


def test_what_is_smaller_than_the_voxels_is_named(tmp_path: Path) -> None:
    image = grid((3, 4, 4), (8.0, 8.0, 8.0))
    fine = grid((24, 32, 32), (1.0, 1.0, 1.0))
    labels = np.zeros(fine.shape, np.uint8)
    labels[4:12, 4:12, 4:12] = 1
    labels[3, 3, 3] = 2
    regions = load_regions(nifti(tmp_path / "a.nii", labels, fine), image)
    assert regions.names == ("label 1",)
    assert regions.mask("label 1").sum() == 1
    assert "Too small for the image's voxels, so left out: label 2." in regions.warnings
    with pytest.raises(UserError, match="too small"):
        load_regions(nifti(tmp_path / "b.nii", np.uint8(labels == 2), fine), image)


def test_without_a_place_only_the_shape_counts_and_a_word_says_so(tmp_path: Path) -> None:
    image, labels = grid((1, 20, 24)), boxes()[2:3]
    Image.fromarray(labels[0]).save(tmp_path / "mask.png")
    regions = load_regions(tmp_path / "mask.png", image)
    np.testing.assert_array_equal(regions.mask(), labels)
    assert "mask does not say where it lies" in regions.warnings[0]
    with pytest.raises(UserError, match="another shape"):
        load_regions(tmp_path / "mask.png", grid((1, 24, 20)))
    path = nifti(tmp_path / "mask.nii", labels, grid((1, 20, 24)))
    regions = load_regions(path, Geometry.from_spacing((1, 20, 24), (1.0, 0.14, 0.14), "detector"))
    np.testing.assert_array_equal(regions.mask(), labels)
    assert "image does not say where it lies" in regions.warnings[0]
    assert load_regions(tmp_path / "mask.png", Geometry.from_spacing((1, 20, 24))).warnings == ()


_BARE = {
    "bare.nrrd": "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 24 20 6\nencoding: raw\n{}\n",
    "bare.mha": "NDims = 3\nDimSize = 24 20 6\n{}ElementType = MET_UCHAR\nElementDataFile = LOCAL\n",
}


@pytest.mark.parametrize("name", sorted(_BARE))
@pytest.mark.parametrize("known", [False, True])
def test_a_volume_without_orientation_lies_on_the_image_of_its_shape(tmp_path: Path, name: str, known: bool) -> None:
    """Not where an origin of zero and axes to the left would put it."""
    image, labels = grid(SHAPE, (2.0, 1.0, 1.0), (-12.0, -10.0, -6.0)), boxes()
    spacing = {"bare.nrrd": "spacings: 1 1 2\n", "bare.mha": "ElementSpacing = 1 1 2\n"}[name]
    (tmp_path / name).write_bytes(_BARE[name].format(spacing if known else "").encode() + labels.tobytes())
    regions = load_regions(tmp_path / name, image)
    np.testing.assert_array_equal(regions.mask(), labels)
    assert any("mask does not say where it lies" in words for words in regions.warnings)
    with pytest.raises(UserError, match="another shape"):
        load_regions(tmp_path / name, grid((7, 20, 24)))


def test_centimetres_of_a_mask_are_read_as_such(tmp_path: Path) -> None:
    head = (
        "NRRD0005\ntype: uchar\ndimension: 3\nspace: left-posterior-superior\nsizes: 24 20 6\n"
        "space directions: (0.1,0,0) (0,0.1,0) (0,0,0.2)\nspace origin: (-1.2,-1,3)\n"
        'space units: "cm" "cm" "cm"\nencoding: raw\n\n'
    )
    (tmp_path / "a.nrrd").write_bytes(head.encode() + boxes().tobytes())
    regions = load_regions(tmp_path / "a.nrrd", grid(SHAPE, (2.0, 1.0, 1.0), (-12.0, -10.0, 30.0)))
    np.testing.assert_array_equal(regions.mask(), boxes())
    assert regions.warnings == ()


def test_what_is_unusual_about_a_masks_place_is_said(tmp_path: Path) -> None:
    image, labels = grid(SHAPE), boxes()
    moved = ras_affine(image).copy()
    moved[0, 3] += 15.0
    mask = nibabel.Nifti1Image(labels.transpose(2, 1, 0), ras_affine(image))
    mask.set_sform(ras_affine(image), 1)
    mask.set_qform(moved, 1)
    nibabel.save(mask, tmp_path / "a.nii")
    regions = load_regions(tmp_path / "a.nii", image)
    np.testing.assert_array_equal(regions.mask(), labels)
    assert regions.warnings == ("The mask file's sform and qform differ by up to 15.0 mm; the sform is used.",)


def test_a_cut_mask_file_gives_the_volumes_that_are_there(tmp_path: Path) -> None:
    image = grid(SHAPE)
    volumes = np.stack([boxes() == 1, boxes() == 2, boxes() == 1], axis=-1).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(volumes.transpose(2, 1, 0, 3), ras_affine(image)), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "a.nii").write_bytes(content[:-10])
    regions = load_regions(tmp_path / "a.nii", image)
    assert regions.names == ("volume 1", "volume 2")
    assert regions.warnings == ("The mask file is cut short: 2 of its 3 volumes are there.",)


def test_a_bare_volume_says_that_it_names_no_sides(tmp_path: Path) -> None:
    (tmp_path / "bare.nrrd").write_bytes(_BARE["bare.nrrd"].format("spacings: 1 1 2\n").encode() + boxes().tobytes())
    regions = load_regions(tmp_path / "bare.nrrd", grid(SHAPE))
    assert regions.warnings[0] == "The mask file does not say which side is which."
