from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.domain import REGION_COLOURS, Region, RegionSet, regions_from_labels
from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry

SHAPE = (3, 4, 5)
GRID = Geometry.from_spacing(SHAPE)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.sampled_from([0.0, 0.05, 0.5]))
def test_cut_region_gives_back_the_mask_and_every_slice(seed, density):
    mask = np.random.default_rng(seed).random(SHAPE) < density
    region = Region.from_mask("r", "#000000", mask)
    assert np.array_equal(region.mask(SHAPE), mask)
    assert region.voxels == mask.sum()
    for axis in range(3):
        faces = np.moveaxis(region.patch, axis, 0)[[0, -1]] if region.patch.size else np.ones((2, 1))
        assert all(face.any() for face in faces)
    for axis in range(3):
        for index in range(SHAPE[axis]):
            assert np.array_equal(region.slice_mask(SHAPE, axis, index), np.take(mask, index, axis=axis))


def test_patch_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        Region.from_mask("r", "#000000", np.ones(SHAPE)).patch[0, 0, 0] = False


def test_labels_make_a_round_trip_in_order_with_names():
    labels = np.random.default_rng(0).integers(0, 4, SHAPE) * 10
    regions = regions_from_labels(labels, GRID, {20: "lesion"})
    assert regions.names == ("label 10", "lesion", "label 30")
    assert np.array_equal(regions.mask(), labels // 10)
    assert np.array_equal(regions.mask("lesion"), labels == 20)


def test_small_labels_lie_where_they_were():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[1:3, 2:4, 3:5], labels[0, 1, 2] = 3, 9
    regions = regions_from_labels(labels, GRID)
    assert np.array_equal(regions.mask("label 3"), labels == 3)
    assert np.array_equal(regions.mask("label 9"), labels == 9)


def test_huge_labels_are_found_too():
    labels = np.zeros(SHAPE, dtype=np.int32)
    labels[0, 1, 2:4], labels[2, 3, 4] = 2_000_000, 5
    regions = regions_from_labels(labels, GRID)
    assert regions.names == ("label 5", "label 2000000")
    assert np.array_equal(regions.mask("label 2000000"), labels == 2_000_000)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.int64, np.uint64])
def test_labels_of_any_integer_type_including_negative_ones(dtype):
    labels = np.zeros(SHAPE, dtype=dtype)
    labels[0, 1, 2], labels[2, 3, 4] = 7, 100
    if np.issubdtype(dtype, np.signedinteger):
        labels[1, 1, 1] = -3
        assert regions_from_labels(labels, GRID).names == ("label -3", "label 7", "label 100")
    else:
        assert regions_from_labels(labels, GRID).names == ("label 7", "label 100")


def test_two_labels_of_one_name_stay_apart():
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[0], labels[1] = 1, 2
    assert regions_from_labels(labels, GRID, {1: "lung", 2: "lung"}).names == ("lung", "lung 2")


def test_overlapping_regions_have_no_label_map_but_their_own_masks():
    mask = np.ones(SHAPE)
    both = RegionSet(GRID, (Region.from_mask("a", "#000000", mask), Region.from_mask("b", "#000000", mask)))
    with pytest.raises(UserError, match="overlaps"):
        both.mask()
    assert both.mask("b").all()


def test_names_are_unique_and_unknown_ones_name_the_choices():
    region = Region.from_mask("a", "#000000", np.ones(SHAPE))
    with pytest.raises(ValueError, match="unique"):
        RegionSet(GRID, (region, region))
    with pytest.raises(UserError) as caught:
        RegionSet(GRID, (region,)).get("b")
    assert "a" in caught.value.hint


def test_next_colour_is_one_that_no_region_has():
    regions = RegionSet(GRID)
    for number in range(len(REGION_COLOURS)):
        regions = regions.with_region(Region.from_mask(str(number), regions.next_colour(), np.ones(SHAPE)))
    assert {region.colour for region in regions.regions} == set(REGION_COLOURS)
    assert regions.next_colour() in REGION_COLOURS
    assert regions.without("2").next_colour() == REGION_COLOURS[2]


def test_replacing_keeps_the_order_and_the_old_set():
    names = ("a", "b", "c")
    first = RegionSet(GRID, tuple(Region.from_mask(name, "#000000", np.ones(SHAPE)) for name in names))
    second = first.with_region(Region.from_mask("b", "#FFFFFF", np.zeros(SHAPE)))
    assert second.names == first.names == names
    assert first.get("b").voxels == 60
    assert second.get("b").voxels == 0
    assert second.free_name("a") == "a 2"
