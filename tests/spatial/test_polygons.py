from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.render import outlines
from saliency_viewer.spatial import polygon_mask


def slow_polygon(points, shape):
    """Even-odd rule in exact fractions, one pixel and one edge at a time: a ray to the left of the centre."""
    mask = np.zeros(shape, dtype=bool)
    corners = [(Fraction(float(r)), Fraction(float(c))) for r, c in points]
    for row in range(shape[0]):
        for column in range(shape[1]):
            crossings = 0
            for (r0, c0), (r1, c1) in zip(corners, corners[1:] + corners[:1], strict=True):
                if (r0 <= row) != (r1 <= row):
                    crossings += c0 + (row - r0) * (c1 - c0) / (r1 - r0) <= column
            mask[row, column] = crossings % 2 == 1
    return mask


eighths = st.integers(-24, 88).map(lambda n: n / 8)


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(eighths, eighths), min_size=3, max_size=7))
def test_mask_equals_the_exact_pixel_centre_rule(points):
    # Corners on eighths, so crossings at pixel centres really happen; those that only rounding decides are excused.
    found, exact = polygon_mask(points, (9, 8)), slow_polygon(points, (9, 8))
    for row, column in np.argwhere(found != exact):
        assert nearest_edge(points, row, column) < 1e-9


def nearest_edge(points, row, column):
    distances = []
    for (r0, c0), (r1, c1) in zip(points, points[1:] + points[:1], strict=True):
        length2 = (r1 - r0) ** 2 + (c1 - c0) ** 2
        part = 0.0 if length2 == 0 else ((row - r0) * (r1 - r0) + (column - c0) * (c1 - c0)) / length2
        part = min(max(part, 0.0), 1.0)
        distances.append(np.hypot(row - r0 - part * (r1 - r0), column - c0 - part * (c1 - c0)))
    return min(distances)


def test_rectangle_between_pixel_centres_has_its_pixels():
    expected = np.zeros((6, 7), dtype=bool)
    expected[1:4, 2:6] = True
    assert np.array_equal(polygon_mask([(0.5, 1.5), (0.5, 5.5), (3.5, 5.5), (3.5, 1.5)], (6, 7)), expected)


def test_centres_on_the_upper_and_left_edges_belong_and_on_the_others_not():
    expected = np.zeros((6, 7), dtype=bool)
    expected[1:3, 1:4] = True
    assert np.array_equal(polygon_mask([(1, 1), (1, 4), (3, 4), (3, 1)], (6, 7)), expected)
    diamond = polygon_mask([(1, 3), (3, 5), (5, 3), (3, 1)], (7, 7))
    assert [np.flatnonzero(row).tolist() for row in diamond[1:6]] == [[], [2, 3], [1, 2, 3, 4], [2, 3], []]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_triangles_that_share_an_edge_neither_overlap_nor_leave_a_gap(seed):
    rng = np.random.default_rng(seed)
    a, c = np.array([-1.0, -1.0]), np.array([20.0, 20.0])
    b, d, inner = np.array([-1.0, 20.0]), np.array([20.0, -1.0]), rng.integers(0, 160, 2) / 8
    parts = [polygon_mask([p, q, inner], (20, 20)) for p, q in ((a, b), (b, c), (c, d), (d, a))]
    assert np.array_equal(np.sum(parts, axis=0), np.ones((20, 20)))


def test_direction_and_first_corner_do_not_matter():
    points = [(1.2, 1.3), (7.8, 3.1), (4.4, 8.9)]
    first = polygon_mask(points, (10, 10))
    assert first.any()
    assert np.array_equal(first, polygon_mask(points[::-1], (10, 10)))
    assert np.array_equal(first, polygon_mask(points[1:] + points[:1], (10, 10)))


def test_polygon_beyond_the_image_fills_only_the_image():
    assert polygon_mask([(-50, -50), (-50, 50), (50, 50), (50, -50)], (4, 5)).all()
    assert not polygon_mask([(50, 50), (60, 50), (60, 60)], (4, 5)).any()


def test_crossing_loop_is_a_hole():
    outer = [(-0.5, -0.5), (-0.5, 9.5), (9.5, 9.5), (9.5, -0.5), (-0.5, -0.5)]
    inner = [(2.5, 2.5), (2.5, 6.5), (6.5, 6.5), (6.5, 2.5), (2.5, 2.5)]
    mask = polygon_mask(outer + inner, (10, 10))
    assert mask.sum() == 100 - 16
    assert not mask[3:7, 3:7].any()


@pytest.mark.parametrize("points", [[], [(1.0, 1.0)], [(1.0, 1.0), (5.0, 5.0)]])
def test_fewer_than_three_corners_enclose_nothing(points):
    mask = polygon_mask(np.array(points).reshape(-1, 2), (6, 6))
    assert mask.shape == (6, 6)
    assert not mask.any()


def test_corners_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        polygon_mask([(0, 0), (np.nan, 1), (2, 2)], (4, 4))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.floats(0.05, 0.95))
def test_outlines_of_any_mask_fill_back_to_the_mask(seed, rows, columns, density):
    mask = np.random.default_rng(seed).random((rows, columns)) < density
    back = np.zeros_like(mask)
    for polygon in outlines(mask):
        assert np.array_equal(polygon[0], polygon[-1])
        back ^= polygon_mask(polygon[:-1], mask.shape)
    assert np.array_equal(back, mask)
