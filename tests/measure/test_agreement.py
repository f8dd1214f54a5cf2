"""How far two maps agree: closed forms, scipy, and every shift made one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from saliency_viewer.measure import Memory, agreement, rank_range, ranks
from saliency_viewer.measure.agreement import highest
from saliency_viewer.spatial import Geometry


def _noise(seed: int, shape=(1, 12, 15)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_a_map_agrees_with_itself_and_contradicts_its_negative(agreed) -> None:
    values = _noise(0)
    same, opposite = agreed(values, values), agreed(values, -values)
    assert same["rank_correlation"].value == pytest.approx(1.0)
    assert same["iou_top_10"].value == 1.0
    assert same["peak_distance"].note == "the image has no calibration in millimetres"
    assert opposite["rank_correlation"].value == pytest.approx(-1.0)
    assert opposite["rank_correlation_abs"].value == pytest.approx(1.0)
    assert opposite["iou_top_10"].value == 0.0


def test_rank_correlation_is_scipys_with_ties_and_without_what_one_did_not_see(agreed) -> None:
    first, second = np.round(_noise(1), 0), np.round(_noise(2) + 0.5 * _noise(1), 0)
    first[0, :3], second[0, :, 2] = np.nan, np.nan
    seen = np.isfinite(first) & np.isfinite(second)
    found = agreed(first, second)
    assert found["rank_correlation"].value == pytest.approx(spearmanr(first[seen], second[seen]).statistic)
    sizes = spearmanr(np.abs(first[seen]), np.abs(second[seen])).statistic
    assert found["rank_correlation_abs"].value == pytest.approx(sizes)


def test_a_monotone_change_of_units_changes_no_rank(agreed) -> None:
    first, second = _noise(3), _noise(4)
    plain, bent = agreed(first, second), agreed(np.exp(first) * 1e-6, second)
    assert bent["rank_correlation"].value == pytest.approx(plain["rank_correlation"].value)
    assert bent["iou_top_10"].value == plain["iou_top_10"].value


def test_the_overlap_of_the_highest_tenth_by_hand(agreed) -> None:
    first, second = np.zeros((1, 4, 10), np.float32), np.zeros((1, 4, 10), np.float32)
    first[0, 0, :4] = [4, 3, 2, 1]
    second[0, 0, 2:6] = [1, 2, 3, 4]
    # 4 of 40 voxels each, 2 in common, 6 together
    assert agreed(first, second)["iou_top_10"].value == pytest.approx(2 / 6)


def test_a_tenth_that_is_not_decided_is_said(agreed) -> None:
    values = np.zeros((1, 4, 10), np.float32)
    values[0, 0, 0] = 1.0
    found = agreed(values, _noise(5, (1, 4, 10)))["iou_top_10"]
    assert found.value is None
    assert "many are equal" in found.note
    assert highest(np.array([1, 2, 2, 0, 0, 0, 0, 0, 0, 0], np.float32)).sum() == 2


def test_constant_maps_and_maps_without_a_common_voxel_are_undefined_with_the_reason(agreed) -> None:
    flat = agreed(np.ones((1, 3, 4)), _noise(6, (1, 3, 4)))
    assert flat["rank_correlation"].value is None
    assert "same everywhere" in flat["rank_correlation"].note
    first, second = _noise(7, (1, 2, 4)), _noise(8, (1, 2, 4))
    first[0, 0], second[0, 1] = np.nan, np.nan
    assert "no voxel in common" in agreed(first, second)["iou_top_10"].note


def test_peaks_are_apart_by_millimetres_of_an_oblique_grid(as_map) -> None:
    first, second = np.zeros((2, 3, 4), np.float32), np.zeros((2, 3, 4), np.float32)
    first[0, 0, 0], second[1, 2, 3] = 1.0, 1.0
    geometry = Geometry.from_spacing((2, 3, 4), (5.0, 2.0, 1.0), calibration="patient")
    found = agreement(as_map(first, geometry), as_map(second, geometry))[-1]
    assert found.value == pytest.approx(np.sqrt(5.0**2 + 4.0**2 + 3.0**2))
    assert found.unit == "mm"


@pytest.mark.parametrize(
    ("row", "why"),
    [([0.0, 0.0, 0.0], "zero everywhere"), ([2.0, 2.0, 2.0], "same everywhere"), ([-1.0, 0.0, 0.0], "no positive")],
)
def test_a_map_whose_evidence_lies_where_the_other_saw_nothing_has_no_peak(as_map, row, why) -> None:
    """The first of many equal voxels would be no peak, and its distance a number about nothing."""
    first, second = np.array([[row, [9.0, 9.0, 9.0]]], np.float32), _noise(15, (1, 2, 3))
    second[0, 1] = np.nan
    geometry = Geometry.from_spacing((1, 2, 3), calibration="patient")
    maps = as_map(first, geometry), as_map(second, geometry)
    for found in (agreement(*maps)[-1], agreement(*maps[::-1])[-1]):
        assert found.value is None
        assert why in found.note


def test_chance_is_the_95th_percentile_over_every_shift_made_one_by_one(agreed) -> None:
    first, second = _noise(9, (1, 6, 7)), _noise(10, (1, 6, 7))
    found = agreed(first, second)
    correlations, overlaps = [], []
    for rows in range(6):
        for columns in range(7):
            moved = np.roll(second, (rows, columns), axis=(1, 2))
            correlations.append(spearmanr(first.ravel(), moved.ravel()).statistic)
            a, b = highest(first.ravel()), highest(moved.ravel())
            overlaps.append((a & b).sum() / (a | b).sum())
    assert found["rank_correlation"].chance == pytest.approx(np.percentile(correlations, 95))
    assert found["iou_top_10"].chance == pytest.approx(np.percentile(overlaps, 95))


def test_volumes_are_moved_along_slices_too(agreed) -> None:
    first, second = _noise(11, (3, 4, 5)), _noise(12, (3, 4, 5))
    correlations = [
        spearmanr(first.ravel(), np.roll(second, (z, y, x), axis=(0, 1, 2)).ravel()).statistic
        for z in range(3)
        for y in range(4)
        for x in range(5)
    ]
    found = agreed(first, second)["rank_correlation"]
    assert found.chance == pytest.approx(np.percentile(correlations, 95))


def test_smooth_maps_agree_by_chance_more_than_rough_ones(agreed) -> None:
    coarse = [np.kron(_noise(seed, (1, 4, 4)), np.ones((1, 8, 8), np.float32)) for seed in (13, 14)]
    rough = [_noise(seed, (1, 32, 32)) for seed in (13, 14)]
    assert agreed(*coarse)["rank_correlation"].chance > 3 * agreed(*rough)["rank_correlation"].chance


def test_the_range_of_ranks_by_hand(as_map) -> None:
    first = np.array([[[1.0, 2.0, 3.0, np.nan]]])
    second = np.array([[[30.0, 20.0, 10.0, 5.0]]])
    found = rank_range([as_map(first), as_map(second)])
    np.testing.assert_allclose(found, [[[1.0, 0.0, 1.0, np.nan]]])
    assert rank_range([as_map(first), as_map(first)])[0, 0, :3].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "values",
    [
        _noise(20).ravel(),
        np.round(_noise(21)).ravel(),
        np.array([0.0, -0.0, 1e-45, -1e-45, 3e38, -3e38, np.inf, -np.inf, 0.0, 1.0, 1.0], np.float32),
        np.full(9, 2.5, np.float32),
        np.random.default_rng(22).integers(0, 2**32, 5000, dtype=np.uint64).astype(np.uint32).view(np.float32),
    ],
)
def test_ranks_are_scipys_to_the_bit(values) -> None:
    values = values[~np.isnan(values)]
    np.testing.assert_array_equal(ranks.normalised_ranks(values), (rankdata(values) - 1) / (len(values) - 1))


def test_every_map_is_ranked_once_for_all_its_pairs_and_the_numbers_are_the_same(as_map, monkeypatch) -> None:
    plain, counted = ranks.normalised_ranks, []
    arrays = [np.round(_noise(seed, (2, 9, 8)), 1) for seed in (30, 31, 32)]
    maps = [as_map(values) for values in arrays]
    alone = [agreement(maps[a], maps[b]) for a, b in ((0, 1), (0, 2), (1, 2), (1, 0))]
    spread = rank_range(maps)
    monkeypatch.setattr(ranks, "normalised_ranks", lambda values: counted.append(1) or plain(values))
    memory = Memory()
    together = [agreement(maps[a], maps[b], memory) for a, b in ((0, 1), (0, 2), (1, 2), (1, 0))]
    assert together == alone
    np.testing.assert_array_equal(rank_range(maps, memory), spread)
    assert len(counted) == 2 * len(maps)  # values and sizes


def test_what_is_remembered_belongs_to_what_was_seen_and_to_how_it_is_moved(as_map) -> None:
    from dataclasses import replace

    first, second, holed = (_noise(seed, (3, 6, 5)) for seed in (33, 34, 35))
    holed[0, 1:4] = np.nan
    maps = [as_map(first), as_map(second), as_map(holed), replace(as_map(second), slices=(0, 1, 2))]
    memory = Memory()
    for other in maps[1:]:
        assert agreement(maps[0], other, memory) == agreement(maps[0], other)
    planar = replace(maps[0], slices=(0, 1, 2))
    assert agreement(planar, maps[1], memory) == agreement(planar, maps[1])
    assert agreement(maps[1], planar, memory) == agreement(maps[1], planar)
    assert agreement(maps[0], maps[1], memory) == agreement(maps[0], maps[1])
