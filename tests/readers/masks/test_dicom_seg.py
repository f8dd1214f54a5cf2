"""DICOM SEGs written by highdicom, and real ones."""

from __future__ import annotations

import copy
import zlib
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from mask_files import FRAME, ct_series, grid, rotation, saved, segmentation
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEG2000MCLossless,
    RLELossless,
)

from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions, open_study
from saliency_viewer.spatial import Geometry

SHAPE = (5, 11, 13)  # 143 pixels: a frame does not end on a byte


def blobs(seed: int = 0, segments: int = 2, shape: tuple[int, int, int] = SHAPE) -> Any:
    """(slice, row, column, segment) booleans that overlap."""
    found = np.random.default_rng(seed).random((*shape, segments)) < 0.3
    found[2] = False  # highdicom leaves empty frames out
    return found


def compressed(dataset: Any, syntax: str | None) -> Any:
    if syntax is not None:
        plugin = "pydicom" if syntax == RLELossless else "pylibjpeg"
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    return dataset


@pytest.mark.parametrize("tilt", [0.0, 17.0])
def test_overlapping_segments_land_on_their_voxels(tmp_path: Path, tilt: float) -> None:
    image = grid(SHAPE, turn=rotation(tilt, 0), frame=FRAME)
    masks = blobs()
    path = saved(segmentation(ct_series(image), masks.astype(np.uint8), names=("liver", "lesion")), tmp_path / "seg")
    regions = load_regions(path, image)
    assert regions.names == ("liver", "lesion")
    assert regions.warnings == ()
    for k, name in enumerate(regions.names):
        np.testing.assert_array_equal(regions.mask(name), masks[..., k])


def test_frames_in_any_order_and_images_turned_upside_down_change_nothing(tmp_path: Path) -> None:
    image = grid(SHAPE, frame=FRAME)
    masks = blobs(1)
    path = saved(segmentation(ct_series(image)[::-1], masks[::-1].astype(np.uint8), names=("a", "b")), tmp_path / "seg")
    affine = image.affine.copy()
    affine[:3, 3] = image.to_patient([SHAPE[0] - 1, 0, SHAPE[2] - 1])
    affine[:3, 0] *= -1
    affine[:3, 2] *= -1
    turned = Geometry((5, 13, 11), affine[:, [0, 2, 1, 3]], frame_of_reference=FRAME)
    for geometry, wanted in ((image, masks), (turned, masks[::-1, :, ::-1].transpose(0, 2, 1, 3))):
        regions = load_regions(path, geometry)
        assert regions.warnings == ()
        for k, name in enumerate("ab"):
            np.testing.assert_array_equal(regions.mask(name), wanted[..., k])


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_packed_bits_of_any_encoding_are_read(tmp_path: Path, syntax: str) -> None:
    image, masks = grid(SHAPE), blobs(2, 1)
    dataset = segmentation(ct_series(image), masks.astype(np.uint8))
    dataset.file_meta.TransferSyntaxUID = syntax
    regions = load_regions(saved(dataset, tmp_path / "seg"), image)
    np.testing.assert_array_equal(regions.mask("liver"), masks[..., 0])


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
def test_fractions_are_cut_at_half_of_the_largest_possible_one_with_a_word(tmp_path: Path, syntax: str | None) -> None:
    image = grid((3, 40, 50))  # JPEG 2000 takes no smaller pictures
    levels = np.random.default_rng(3).integers(0, 201, image.shape) / 200
    dataset = segmentation(ct_series(image), levels, "FRACTIONAL", max_fractional_value=200)
    regions = load_regions(saved(compressed(dataset, syntax), tmp_path / "seg"), image)
    np.testing.assert_array_equal(regions.mask("liver"), levels > 0.5)
    assert "probabilities" in regions.warnings[0]


@pytest.mark.parametrize("syntax", [None, RLELossless])
@pytest.mark.parametrize("top", [2, 300])
def test_label_maps_are_read_by_their_numbers(tmp_path: Path, syntax: str | None, top: int) -> None:
    image = grid(SHAPE)
    labels = np.random.default_rng(4).choice([0, 1, top], SHAPE).astype(np.uint16)
    names = [f"part {number}" for number in range(1, top + 1)]
    dataset = segmentation(ct_series(image), labels, "LABELMAP", names)
    regions = load_regions(saved(compressed(dataset, syntax), tmp_path / "seg"), image)
    assert regions.names == ("part 1", f"part {top}")
    for number in (1, top):
        np.testing.assert_array_equal(regions.mask(f"part {number}"), labels == number)
    assert bool(regions.warnings) is (top > 2)  # segments without a pixel are named


def test_names_are_unique_and_colours_come_back(tmp_path: Path) -> None:
    image = grid(SHAPE)
    colours = [(221, 130, 101), (12, 200, 255), (0, 0, 0)]
    dataset = segmentation(
        ct_series(image), blobs(5, 3).astype(np.uint8), names=("lesion", "lesion", " \n"), colours=colours
    )
    regions = load_regions(saved(dataset, tmp_path / "seg"), image)
    assert regions.names == ("lesion", "lesion 2", "segment 3")
    for region, colour in zip(regions.regions, colours, strict=True):
        found = [int(region.colour[k : k + 2], 16) for k in (1, 3, 5)]
        np.testing.assert_allclose(found, colour, atol=2)


def test_slices_of_another_spacing_are_resampled_with_a_word(tmp_path: Path) -> None:
    coarse = grid((4, 11, 13), (5.0, 0.7, 0.8))
    masks = np.zeros((4, 11, 13), np.uint8)
    masks[1:3, 2:7, 3:9] = 1
    path = saved(segmentation(ct_series(coarse), masks), tmp_path / "seg")
    fine = grid((20, 11, 13), (1.0, 0.7, 0.8))
    regions = load_regions(path, fine)
    expected = np.zeros(fine.shape, bool)
    expected[3:13, 2:7, 3:9] = True  # 2.5 mm around 105 and 110 mm; halves go up
    np.testing.assert_array_equal(regions.mask("liver"), expected)
    assert "resampled from voxels of 0.7 x 0.8 x 5 mm" in regions.warnings[0]


def test_planes_at_uneven_distances_go_to_the_image_slices_nearest_to_them(tmp_path: Path) -> None:
    image = grid((20, 11, 13), (1.0, 0.7, 0.8))
    places = [2.0, 3.2, 5.1, 9.4]
    masks = np.zeros((4, 11, 13), np.uint8)
    for k in range(4):
        masks[k, k : k + 3, 1:4] = 1
    regions = load_regions(saved(segmentation(ct_series(image, places), masks), tmp_path / "seg"), image)
    found = regions.mask("liver")
    # Half way to each neighbour; the last gap is wider than twice the usual 1.9 mm and stays open.
    expected = [{2}, {3, 4}, {5, 6}, {9, 10}]
    for k, slices in enumerate(expected):
        only = masks[k].astype(bool)
        assert {z for z in range(20) if np.array_equal(found[z], only)} == slices
    assert found.sum() == 9 * 7


def test_a_single_plane_is_one_slice_of_the_image(tmp_path: Path) -> None:
    image = grid(SHAPE)
    masks = blobs(6, 1)[:1]
    sources = ct_series(image)[3:4]
    dataset = segmentation(sources, masks.astype(np.uint8))
    regions = load_regions(saved(dataset, tmp_path / "seg"), image)
    np.testing.assert_array_equal(regions.mask("liver")[3], masks[0, ..., 0])
    assert regions.mask("liver").sum() == masks.sum()


@pytest.mark.parametrize("between", [True, False])
def test_planes_left_out_stay_empty(tmp_path: Path, between: bool) -> None:
    image = grid((9, 11, 13))
    masks = np.zeros(image.shape, np.uint8)
    masks[[0, 2, 4, 8], 2:6, 3:9] = 1
    dataset = segmentation(ct_series(image), masks)
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    if between:
        measures.SpacingBetweenSlices = 2.5
    elif "SpacingBetweenSlices" in measures:
        del measures.SpacingBetweenSlices
    regions = load_regions(saved(dataset, tmp_path / "seg"), image)
    np.testing.assert_array_equal(regions.mask("liver"), masks)
    assert regions.warnings == ()


def test_the_background_of_a_label_map_may_have_any_number(tmp_path: Path) -> None:
    image = grid(SHAPE)
    labels = np.random.default_rng(11).integers(0, 3, SHAPE).astype(np.uint8)
    dataset = segmentation(ct_series(image), labels, "LABELMAP", ("one", "two"))
    dataset.PixelPaddingValue = 2
    regions = load_regions(saved(dataset, tmp_path / "seg"), image)
    np.testing.assert_array_equal(regions.mask("one"), labels == 1)
    assert "two" not in regions.names
    assert len(regions) == 2  # 0 is a segment then


def test_another_frame_of_reference_is_refused_without_naming_it(tmp_path: Path) -> None:
    image = grid(SHAPE, frame=FRAME)
    path = saved(segmentation(ct_series(image), blobs(7, 1).astype(np.uint8)), tmp_path / "seg")
    with pytest.raises(UserError, match="frames of reference differ") as caught:
        load_regions(path, grid(SHAPE, frame="1.2.3.4"))
    assert "1.2" not in f"{caught.value} {caught.value.detail}"
    assert len(load_regions(path, grid(SHAPE))) == 1  # unknown is not different


def test_a_segmentation_of_a_radiograph_is_matched_by_its_shape(tmp_path: Path) -> None:
    dataset = segmentation(ct_series(grid((1, 11, 13))), blobs(8, 1)[:1].astype(np.uint8))
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    path = saved(dataset, tmp_path / "seg")
    picture = Geometry.from_spacing((1, 11, 13), (1.0, 0.14, 0.14), "detector")
    regions = load_regions(path, picture)
    np.testing.assert_array_equal(regions.mask("liver"), blobs(8, 1)[:1, ..., 0])
    with pytest.raises(UserError, match="another shape"):
        load_regions(path, Geometry.from_spacing((1, 13, 11)))


def test_frames_of_a_film_are_matched_by_their_numbers(tmp_path: Path) -> None:
    masks = blobs(12, 1)[:2]
    dataset = segmentation(ct_series(grid((2, 11, 13))), masks.astype(np.uint8))
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    # highdicom starts at the top, so the second mask comes first.
    for number, group in zip((2, 4), dataset.PerFrameFunctionalGroupsSequence, strict=True):
        del group.PlanePositionSequence
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = number
    film = Geometry.from_spacing((5, 11, 13))
    found = load_regions(saved(dataset, tmp_path / "seg"), film).mask("liver")
    np.testing.assert_array_equal(found[[3, 1]], masks[..., 0])
    assert found.sum() == masks.sum()
    with pytest.raises(UserError, match="pictures that the image does not have"):
        load_regions(tmp_path / "seg", Geometry.from_spacing((3, 11, 13)))
    del dataset.PerFrameFunctionalGroupsSequence[1].DerivationImageSequence
    with pytest.raises(UserError, match="which of the image's slices"):
        load_regions(saved(dataset, tmp_path / "unsaid"), film)


def test_frames_deflated_one_by_one_are_read(tmp_path: Path) -> None:
    image, masks = grid(SHAPE), blobs(13, 1)
    dataset = segmentation(ct_series(image), masks.astype(np.uint8))
    packed = []
    for k in (4, 3, 1, 0):  # highdicom starts at the top
        packer = zlib.compressobj(wbits=-15)
        packed.append(packer.compress(np.packbits(masks[k], bitorder="little").tobytes()) + packer.flush())
    dataset.file_meta.TransferSyntaxUID = JPEG2000MCLossless  # pydicom writes no syntax that it does not know
    dataset.PixelData = encapsulate(packed)
    dataset["PixelData"].is_undefined_length = True
    path = saved(dataset, tmp_path / "seg")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.92", b"1.2.840.10008.1.2.8.1\0"))
    np.testing.assert_array_equal(load_regions(path, image).mask("liver"), masks[..., 0])


def test_frames_beside_each_other_or_at_angles_are_no_stack(tmp_path: Path) -> None:
    image = grid(SHAPE)
    dataset = segmentation(ct_series(image), blobs(14, 2).astype(np.uint8), names=("a", "b"))
    groups = dataset.PerFrameFunctionalGroupsSequence
    place = groups[5].PlanePositionSequence[0]
    good = place.ImagePositionPatient
    place.ImagePositionPatient = [float(good[0]) + 9, *good[1:]]
    with pytest.raises(UserError, match="beside each other"):
        load_regions(saved(dataset, tmp_path / "beside"), image)
    place.ImagePositionPatient = good
    shared = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    for group in groups:
        group.PlaneOrientationSequence = copy.deepcopy(shared)
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    assert len(load_regions(saved(dataset, tmp_path / "each"), image)) == 2
    groups[3].PlaneOrientationSequence[0].ImageOrientationPatient = [0, 1, 0, 0, 0, 1]
    with pytest.raises(UserError, match="different directions"):
        load_regions(saved(dataset, tmp_path / "angles"), image)


def test_what_cannot_be_shown_is_refused_with_the_reason(tmp_path: Path) -> None:
    image = grid(SHAPE)
    good = segmentation(ct_series(image), blobs(9, 1).astype(np.uint8))
    good.DimensionOrganizationType = "TILED_FULL"
    with pytest.raises(UserError, match="microscope slide"):
        load_regions(saved(good, tmp_path / "slide"), image)
    good.DimensionOrganizationType = "3D"
    good.SegmentationType = "SURFACE"
    with pytest.raises(UserError, match="kind that this program does not know"):
        load_regions(saved(good, tmp_path / "kind"), image)
    good.SegmentationType = "BINARY"
    good.PixelData = bytes(len(good.PixelData))
    with pytest.raises(UserError, match="empty"):
        load_regions(saved(good, tmp_path / "empty"), image)
    good.NumberOfFrames = 2**31 - 1
    with pytest.raises(UserError, match="damaged"):
        load_regions(saved(good, tmp_path / "frames"), image)
    with pytest.raises(UserError, match="an image, not a mask"):
        load_regions(saved(ct_series(image)[0], tmp_path / "image"), image)


def test_real_segmentations_agree_with_highdicom(shared_data: Path) -> None:
    for name, kind in (("binary_overlap", "BINARY"), ("true_fractional", "FRACTIONAL")):
        path = shared_data / "dicom_edge" / "highdicom" / f"seg_image_ct_{name}.dcm"
        segments = highdicom.seg.segread(path)
        assert segments.segmentation_type.value == kind
        volume = segments.get_volume(combine_segments=False, rescale_fractional=True)
        geometry = Geometry(volume.spatial_shape, volume.affine, frame_of_reference=segments.FrameOfReferenceUID)
        regions = load_regions(path, geometry)
        assert len(regions) == volume.array.shape[3]
        for k, one in enumerate(regions.names):
            np.testing.assert_array_equal(regions.mask(one), volume.array[..., k] > 0.5)


def test_a_real_segmentation_lies_on_its_series_and_on_the_enhanced_copy(shared_data: Path) -> None:
    folder = shared_data / "dicom_edge" / "dcmqi" / "23x38x3"
    marked = pydicom.dcmread(folder / "seg" / "label.seg").pixel_array
    for source in ("image", "multiframe"):
        regions = load_regions(folder / "seg" / "label.seg", open_study(folder / source).series[0].load().geometry)
        np.testing.assert_array_equal(regions.mask("Liver"), marked)
        assert regions.regions[0].colour == "#DD8265"  # Slicer's liver: 221, 130, 101
