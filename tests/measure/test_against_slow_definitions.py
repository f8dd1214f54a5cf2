from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.domain import AttributionMap, Provenance, Region, RegionSet, Validity
from saliency_viewer.measure import region_statistics
from saliency_viewer.spatial import Geometry


def measure(array, mask, organ=None):
    grid = Geometry.from_spacing(array.shape)
    amap = AttributionMap(array.astype(np.float32), grid, "m", "t", Validity("verified"), Provenance("m", {}, "t", 0))
    regions = RegionSet(grid, (Region.from_mask("r", "#56B4E9", mask),))
    return {(row.region, row.statistic): row.value for row in region_statistics(amap, regions, organ)}


def slow_average_precision(scores, inside):
    """Sum over every distinct threshold, from the highest: precision times gain in recall."""
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        hit = [i for s, i in zip(scores, inside, strict=True) if s >= threshold]
        now = sum(hit) / sum(inside)
        total += (now - recall) * sum(hit) / len(hit)
        recall = now
    return total


def slow_rank_accuracy(scores, inside):
    """Mean over all ways to choose among ties of the part of the top |R| that lies inside."""
    count = sum(inside)
    threshold = sorted(scores, reverse=True)[count - 1]
    sure = [i for s, i in zip(scores, inside, strict=True) if s > threshold]
    tied = [i for s, i in zip(scores, inside, strict=True) if s == threshold]
    choices = list(itertools.combinations(tied, count - len(sure)))
    return sum(sum(sure) + sum(choice) for choice in choices) / len(choices) / count


cases = st.lists(st.tuples(st.integers(-2, 3), st.booleans(), st.booleans()), min_size=2, max_size=9)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_every_rank_statistic_equals_its_slow_definition_also_with_ties_and_unseen_voxels(case):
    scores = np.array([float(s) for s, _, _ in case])
    inside = np.array([i for _, i, _ in case])
    seen = np.array([v for _, _, v in case])
    array = np.where(seen, scores, np.nan).reshape(1, 1, -1)
    found = measure(array, inside.reshape(1, 1, -1))
    kept, kept_inside = scores[seen].tolist(), inside[seen].tolist()
    if not any(kept_inside) or not any(kept):
        assert found["r", "average_precision"] is None
        assert found["r", "rank_accuracy"] is None
        return
    assert found["r", "average_precision"] == pytest.approx(slow_average_precision(kept, kept_inside), abs=1e-12)
    assert found["r", "rank_accuracy"] == pytest.approx(slow_rank_accuracy(kept, kept_inside), abs=1e-12)
    if max(kept) <= 0:
        assert found["r", "pointing_hit"] is None
    else:
        best = [i for s, i in zip(kept, kept_inside, strict=True) if s == max(kept)]
        assert found["r", "pointing_hit"] == pytest.approx(sum(best) / len(best))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_masses_equal_the_sums_of_their_definition_within_an_organ(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 6, 3))
    array = rng.normal(size=shape).astype(np.float32)
    array[rng.random(shape) < 0.2] = np.nan
    mask, organ = rng.random(shape) < 0.5, rng.random(shape) < 0.7
    found = measure(array, mask, organ)
    omega = organ & np.isfinite(array)
    exact = np.where(omega, array, 0.0).astype(np.float64)
    positive, inside = np.maximum(exact, 0), mask & omega
    if not inside.any() or positive.sum() == 0:
        assert found["r", "mass_fraction"] is None
        return
    mass = positive[inside].sum() / positive.sum()
    assert found["r", "mass_fraction"] == pytest.approx(mass, abs=1e-12)
    assert found["r", "enrichment"] == pytest.approx(mass / (inside.sum() / omega.sum()), rel=1e-12)
    assert found["r", "mass_fraction_abs"] == pytest.approx(np.abs(exact)[inside].sum() / np.abs(exact).sum())
    assert found["r", "voxels"] == inside.sum()
    values = exact[inside]
    assert found["r", "median"] == pytest.approx(np.median(values))
    assert found["r", "sd"] == pytest.approx(values.std(), abs=1e-7)


def test_statistics_do_not_change_when_the_map_is_scaled_except_raw_ones():
    rng = np.random.default_rng(3)
    array, mask = rng.normal(size=(3, 6, 6)), rng.random((3, 6, 6)) < 0.3
    one, thousand = measure(array, mask), measure(array * 1024.0, mask)
    for statistic in ("mass_fraction", "enrichment", "pointing_hit", "average_precision", "rank_accuracy"):
        assert one["r", statistic] == pytest.approx(thousand["r", statistic], abs=1e-12)
    assert thousand["r", "mean"] == pytest.approx(1024 * one["r", "mean"])


def test_overlapping_regions_count_once_in_what_lies_outside():
    array = np.ones((1, 4, 4))
    first, second = np.zeros((1, 4, 4)), np.zeros((1, 4, 4))
    first[0, :2], second[0, 1:3] = 1, 1
    grid = Geometry.from_spacing((1, 4, 4))
    amap = AttributionMap(array.astype(np.float32), grid, "m", "t", Validity("verified"), Provenance("m", {}, "t", 0))
    regions = RegionSet(grid, (Region.from_mask("a", "#56B4E9", first), Region.from_mask("b", "#E69F00", second)))
    rows = {(r.region, r.statistic): r.value for r in region_statistics(amap, regions)}
    assert rows["outside regions", "mass_fraction"] == pytest.approx(0.25)
