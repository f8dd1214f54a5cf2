from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.domain import AttributionMap, Provenance, Region, RegionSet, Validity
from saliency_viewer.measure import agreement, region_statistics
from saliency_viewer.spatial import Geometry


def make_map(array, geometry=None):
    values = np.asarray(array, dtype=np.float32)
    grid = geometry or Geometry.from_spacing(values.shape)
    return AttributionMap(
        values, grid, "gradient", "lesion", Validity("verified"), Provenance("gradient", {}, "lesion", 0)
    )


@pytest.fixture
def measured():
    """A function: map array and named masks to {(region, statistic): row}."""

    def measure(array, organ=None, geometry=None, **masks):
        amap = make_map(array, geometry)
        regions = RegionSet(
            amap.geometry, tuple(Region.from_mask(name, "#56B4E9", mask) for name, mask in masks.items())
        )
        return {(row.region, row.statistic): row for row in region_statistics(amap, regions, organ)}

    return measure


@pytest.fixture
def flat_map():
    return make_map(np.random.default_rng(0).normal(size=(2, 4, 6)))


@pytest.fixture
def as_map():
    """A function: array and geometry to a map."""
    return make_map


@pytest.fixture
def agreed():
    """A function: two arrays to {statistic: agreement}."""
    return lambda first, second: {one.statistic: one for one in agreement(make_map(first), make_map(second))}
