from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.domain import LabelTable, Region, RegionSet, label_map
from saliency_viewer.spatial import Geometry

SHAPE = (2, 4, 5)


def region_set(masks: list[np.ndarray]) -> RegionSet:
    regions = (Region.from_mask(f"region {k}", "#56B4E9", mask) for k, mask in enumerate(masks))
    return RegionSet(Geometry.from_spacing(SHAPE), tuple(regions))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**40 - 1), min_size=1, max_size=4))
def test_any_overlap_comes_back_whole(seeds: list[int]) -> None:
    masks = [np.array([(seed >> bit) & 1 for bit in range(40)], dtype=bool).reshape(SHAPE) for seed in seeds]
    regions = region_set(masks)
    labels, table = label_map(regions)
    again = LabelTable.from_json(table.to_json())
    assert again == table
    found = again.regions(labels, regions.geometry)
    assert found.names == regions.names
    for region, mask in zip(found.regions, masks, strict=True):
        assert np.array_equal(region.mask(SHAPE), mask)
    assert np.array_equal(labels > 0, np.any(masks, axis=0))


def test_separate_regions_keep_their_positions_as_labels() -> None:
    masks = [np.zeros(SHAPE, dtype=bool) for _ in range(3)]
    for k, mask in enumerate(masks):
        mask[0, k] = True
    labels, _ = label_map(region_set(masks))
    for k, mask in enumerate(masks, start=1):
        assert np.array_equal(labels == k, mask)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"saliency-viewer regions": 3}', '{"saliency-viewer regions": []}'])
def test_a_foreign_header_is_no_table(text: str) -> None:
    assert LabelTable.from_json(text) is None
