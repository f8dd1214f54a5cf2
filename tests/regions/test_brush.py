from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from saliency_viewer.regions import brush_mask


def slow_brush(path, radius, spacing, shape):
    """Distance in mm of every pixel centre from its projection onto every straight piece."""
    mask = np.zeros(shape, dtype=bool)
    pieces = list(itertools.pairwise(path)) or [(path[0], path[0])]
    for row, column in np.ndindex(shape):
        centre = np.array([row, column]) * spacing
        for start, stop in pieces:
            a, b = np.array(start) * spacing, np.array(stop) * spacing
            along = b - a
            length2 = along @ along  # of steps that are next to nothing it is 0
            part = float(np.clip((centre - a) @ along / length2, 0, 1)) if length2 > 1e-18 else 0.0
            mask[row, column] |= np.linalg.norm(centre - a - part * along) <= radius * (1 + 1e-9)
    return mask


coordinates = st.tuples(st.floats(-4, 16), st.floats(-4, 16))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(coordinates, min_size=1, max_size=4),
    st.floats(1.5, 6.0),
    st.sampled_from([(1.0, 1.0), (2.0, 0.5), (0.7, 1.4)]),
)
def test_trace_equals_the_distance_from_the_path_in_millimetres(path, radius, spacing):
    found = brush_mask(path, radius, spacing, (12, 13))
    assert np.array_equal(found, slow_brush(path, radius, spacing, (12, 13)))


def test_single_click_is_a_disc_in_millimetres_not_in_pixels():
    mask = brush_mask([(20, 20)], 6.0, (3.0, 1.0), (41, 41))
    rows, columns = np.nonzero(mask)
    assert np.ptp(rows) == 4  # 2 pixels of 3 mm to each side
    assert np.ptp(columns) == 12
    assert mask.sum() * 3.0 == pytest.approx(np.pi * 36, rel=0.06)


def test_radius_that_just_reaches_a_centre_includes_it():
    assert brush_mask([(5, 5)], 3 * 0.1, (0.1, 0.1), (11, 11))[5, 8]


def test_quick_stroke_has_no_gap():
    mask = brush_mask([(5, 5), (5, 95), (60, 20)], 1.5, (1.0, 1.0), (70, 100))
    assert ndimage.label(mask)[1] == 1
    assert mask[5, 5:96].all()


@settings(max_examples=60, deadline=None)
@given(st.lists(coordinates, min_size=2, max_size=4))
def test_brush_finer_than_a_pixel_paints_a_connected_line_under_the_path(path):
    inner = np.clip(np.array(path), 1, 10)
    mask = brush_mask(inner, 0.05, (1.0, 1.0), (12, 12))
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1
    for row, column in np.floor(inner + 0.5).astype(int):
        assert mask[row, column]


def test_stroke_outside_the_image_paints_nothing():
    assert not brush_mask([(-50, -50), (-40, -60)], 3.0, (1.0, 1.0), (8, 8)).any()
    assert not brush_mask([(-50, -50)], 0.1, (1.0, 1.0), (8, 8)).any()


def test_empty_path_paints_nothing():
    assert not brush_mask(np.zeros((0, 2)), 3.0, (1.0, 1.0), (8, 8)).any()


def test_impossible_radius_or_path_is_refused():
    with pytest.raises(ValueError, match="finite"):
        brush_mask([(0, np.inf)], 1.0, (1.0, 1.0), (4, 4))
    with pytest.raises(ValueError, match="negative"):
        brush_mask([(0, 0)], -1.0, (1.0, 1.0), (4, 4))
