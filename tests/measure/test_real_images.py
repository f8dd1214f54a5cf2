from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from saliency_viewer.domain import AttributionMap, Provenance, RegionSet, Validity, regions_from_labels
from saliency_viewer.measure import region_statistics
from saliency_viewer.regions import RegionEditor
from saliency_viewer.render import outlines
from saliency_viewer.spatial import Geometry, polygon_mask


@pytest.fixture
def lungs(shared_data):
    """The lung mask of a real radiograph, (row, column) boolean."""
    path = sorted((shared_data / "cxr" / "masks").glob("*.png"))[0]
    return np.asarray(Image.open(path).convert("L")) > 127


def test_real_lungs_traced_and_drawn_again_are_the_same_region(lungs):
    editor = RegionEditor(RegionSet(Geometry.from_spacing((1, *lungs.shape))))
    name = editor.add("lungs")
    for polygon in outlines(lungs):
        editor.paint(name, 0, 0, polygon_mask(polygon, lungs.shape), polygon_area(polygon) > 0)
    assert np.array_equal(editor.regions.get(name).mask((1, *lungs.shape))[0], lungs)


def polygon_area(polygon):
    row, column = polygon.T
    return float(np.sum(column[:-1] * row[1:] - column[1:] * row[:-1]))


def test_real_lungs_get_their_share_of_a_constant_map_and_all_of_their_own(lungs):
    grid = Geometry.from_spacing((1, *lungs.shape))
    regions = regions_from_labels(lungs[None].astype(np.uint8), grid, {1: "lungs"})
    for array, expected in ((np.ones(lungs.shape), lungs.mean()), (lungs * 2.0, 1.0)):
        amap = AttributionMap(
            array[None].astype(np.float32), grid, "m", "t", Validity("verified"), Provenance("m", {}, "t", 0)
        )
        rows = {(row.region, row.statistic): row.value for row in region_statistics(amap, regions)}
        for statistic in ("mass_fraction", "average_precision", "rank_accuracy"):
            assert rows["lungs", statistic] == pytest.approx(expected, abs=1e-9)
