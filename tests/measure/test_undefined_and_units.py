from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from saliency_viewer.domain import AttributionMap, Provenance, Region, RegionSet, Validity
from saliency_viewer.errors import UserError
from saliency_viewer.measure import region_statistics
from saliency_viewer.spatial import Geometry

SHAPE = (2, 4, 6)
RELATIVE = ("mass_fraction", "mass_fraction_abs", "enrichment", "pointing_hit", "average_precision", "rank_accuracy")


@pytest.fixture
def part():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[0, 1:3, 1:4] = True
    return mask


def test_zero_map_leaves_every_relative_statistic_undefined_with_the_reason(measured, part):
    rows = measured(np.zeros(SHAPE), part=part)
    for statistic in RELATIVE:
        assert rows["part", statistic].value is None
        assert re.match("no .*evidence", rows["part", statistic].note)
    assert rows["part", "mean"].value == 0.0


def test_map_without_positive_values_has_no_mass_but_an_absolute_one(measured, part):
    rows = measured(np.full(SHAPE, -1.0), part=part)
    assert rows["part", "mass_fraction"].value is None
    assert "no positive evidence" in rows["part", "mass_fraction"].note
    assert rows["part", "pointing_hit"].value is None
    assert rows["part", "mass_fraction_abs"].value == pytest.approx(6 / 48)


def test_empty_region_is_undefined_but_has_zero_voxels(measured):
    rows = measured(np.ones(SHAPE), part=np.zeros(SHAPE))
    assert rows["part", "voxels"].value == 0.0
    for statistic in (*RELATIVE, "mean", "sd", "min", "max", "median", "positive_sum"):
        assert rows["part", statistic].value is None
        assert rows["part", statistic].note == "the region is empty"


def test_map_that_was_never_seen_says_so_and_warns_nobody(measured, part):
    rows = measured(np.full(SHAPE, np.nan), part=part)
    assert rows["part", "mean"].value is None
    assert "saw nothing" in rows["part", "mean"].note
    assert rows["whole image", "mean"].value is None
    assert rows["outside regions", "mass_fraction"].value is None


def test_unseen_voxels_leave_region_and_whole_and_the_note_counts_them(measured, part):
    array = np.ones(SHAPE)
    array[0, 1] = np.nan
    rows = measured(array, part=part)
    assert rows["part", "voxels"].value == 3
    assert rows["part", "voxels"].reference == 42
    assert rows["part", "mass_fraction"].value == pytest.approx(3 / 42)
    assert "3 of 6 voxels" in rows["part", "mass_fraction"].note


def test_infinite_values_count_as_unseen(measured, part):
    array = np.ones(SHAPE)
    array[0, 1, 1] = np.inf
    assert measured(array, part=part)["part", "max"].value == 1.0


def test_organ_becomes_the_whole(measured, part):
    organ = np.zeros(SHAPE)
    organ[0] = 1
    rows = measured(np.ones(SHAPE), organ=organ, part=part)
    assert rows["part", "mass_fraction"].value == pytest.approx(6 / 24)
    assert rows["whole image", "voxels"].value == 24


def test_region_outside_the_organ_is_undefined(measured, part):
    organ = np.zeros(SHAPE)
    organ[1] = 1
    row = measured(np.ones(SHAPE), organ=organ, part=part)["part", "mass_fraction"]
    assert row.value is None
    assert "organ" in row.note


def test_nothing_outside_is_undefined(measured):
    rows = measured(np.ones(SHAPE), all=np.ones(SHAPE))
    assert rows["outside regions", "mass_fraction"].value is None


def test_volume_respects_spacing_and_shear(measured, part):
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = (0, 1.0, 3.0), (0, 2.0, 0), (1.5, 0, 0)  # tilted slices
    rows = measured(np.ones(SHAPE), geometry=Geometry(SHAPE, affine), part=part)
    assert rows["part", "volume_ml"].value == pytest.approx(6 * 3.0 * 2.0 * 1.5 / 1000)
    assert rows["part", "volume_ml"].unit == "ml"
    assert ("part", "area_mm2") not in rows


def test_volume_is_that_of_the_drawn_region_even_where_the_model_saw_nothing(measured, part):
    array = np.ones(SHAPE)
    array[0] = np.nan
    grid = Geometry.from_spacing(SHAPE, (2.0, 1.0, 1.0), "patient", True)
    assert measured(array, geometry=grid, part=part)["part", "volume_ml"].value == pytest.approx(0.012)


@pytest.mark.parametrize(("calibration", "value"), [("patient", 1.5), ("detector", 1.5), ("none", None)])
def test_area_of_a_radiograph_says_what_its_millimetres_are(measured, calibration, value):
    shape = (1, 4, 6)
    mask = np.zeros(shape)
    mask[0, 1:3, 1:4] = 1
    grid = Geometry.from_spacing(shape, (1.0, 0.5, 0.5), calibration)
    row = measured(np.ones(shape), geometry=grid, r=mask)["r", "area_mm2"]
    assert row.value == value
    assert ("detector" in row.note) == (calibration == "detector")
    assert ("calibration" in row.note) == (calibration == "none")


def test_regions_and_organ_of_another_grid_are_refused(flat_map):
    shifted = Geometry.from_spacing((2, 4, 7))
    with pytest.raises(UserError, match="another shape"):
        region_statistics(flat_map, RegionSet(shifted))
    with pytest.raises(UserError, match="another shape"):
        region_statistics(flat_map, RegionSet(flat_map.geometry), np.ones((2, 4, 7)))


def test_without_regions_only_the_whole_is_described(flat_map):
    rows = region_statistics(flat_map, RegionSet(flat_map.geometry))
    assert {row.region for row in rows} == {"whole image"}


def test_measuring_changes_neither_map_nor_regions(flat_map):
    before = flat_map.array.copy()
    region = Region.from_mask("r", "#56B4E9", before > 0)
    region_statistics(flat_map, RegionSet(flat_map.geometry, (region,)))
    assert np.array_equal(flat_map.array, before)


def test_rows_carry_method_target_and_the_order_of_regions(measured, part):
    rows = list(measured(np.ones(SHAPE), second=part, first=~part).values())
    assert list(dict.fromkeys(row.region for row in rows)) == ["second", "first", "outside regions", "whole image"]
    assert {(row.method, row.target) for row in rows} == {("gradient", "lesion")}


def test_the_whole_image_says_how_much_of_it_was_seen(measured, part):
    seen = measured(np.ones(SHAPE), part=part)
    assert seen["whole image", "mean"].note == ""
    array = np.ones(SHAPE)
    array[1] = np.nan
    assert measured(array)["whole image", "mean"].note == "of 48 voxels of the image, 24 count"


def test_sizes_are_given_for_the_rest_and_the_whole_too(measured, part):
    rows = measured(np.ones(SHAPE), geometry=Geometry(SHAPE, np.diag([1.0, 2.0, 5.0, 1.0])), part=part)
    names = ("part", "outside regions", "whole image")
    assert [rows[name, "volume_ml"].value for name in names] == pytest.approx([0.06, 0.42, 0.48])


def test_an_organ_that_is_no_mask_is_refused(flat_map):
    with pytest.raises(UserError, match="no mask"):
        region_statistics(flat_map, RegionSet(flat_map.geometry), "brain")


def test_frames_of_a_projection_have_no_volume_and_one_picture_has_an_area_at_the_detector():
    def rows(slices: int):
        geometry = Geometry.from_spacing((slices, 4, 6), (1.0, 0.5, 0.5), "detector", True)
        geometry = replace(geometry, through_space=slices == 1)
        amap = AttributionMap(
            np.ones(geometry.shape, np.float32), geometry, "m", "t", Validity("verified"), Provenance("m", {}, "t", 0)
        )
        region = Region.from_mask("part", "#56B4E9", np.ones(geometry.shape, dtype=bool))
        return {row.statistic: row for row in region_statistics(amap, RegionSet(geometry, (region,)))[:16]}

    assert rows(3)["volume_ml"].value is None
    assert "enclose no volume" in rows(3)["volume_ml"].note
    area = rows(1)["area_mm2"]
    assert area.value == 24 * 0.25
    assert "at the detector" in area.note
