from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from saliency_viewer.render import outlines


def enclosed(polygon):
    """Signed area by the shoelace formula, positive when clockwise on a screen with rows down."""
    row, column = polygon[:-1].T
    following_row, following_column = polygon[1:].T
    return float(np.sum(column * following_row - following_column * row) / 2)


def length(polygon):
    return float(np.abs(np.diff(polygon, axis=0)).sum())


def test_one_pixel_is_a_square_around_its_centre():
    mask = np.zeros((5, 6), dtype=bool)
    mask[2, 3] = True
    (square,) = outlines(mask)
    assert {tuple(point) for point in square} == {(1.5, 2.5), (1.5, 3.5), (2.5, 3.5), (2.5, 2.5)}
    assert enclosed(square) == 1.0


def test_empty_mask_has_no_outline():
    assert outlines(np.zeros((4, 4), dtype=bool)) == []


def test_full_mask_is_outlined_at_the_image_border():
    (border,) = outlines(np.ones((3, 5), dtype=np.uint8))
    assert len(border) == 5
    assert length(border) == 16


def test_hole_runs_the_other_way():
    mask = np.ones((5, 5), dtype=bool)
    mask[1:3, 1:4] = False
    areas = sorted(enclosed(polygon) for polygon in outlines(mask))
    assert areas == [-6.0, 25.0]


def test_pixels_touching_at_a_corner_are_separate():
    assert len(outlines(np.eye(3, dtype=bool))) == 3


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 99999), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.1, 0.4, 0.6, 0.9]))
def test_area_length_and_count_are_those_of_the_mask(seed, rows, columns, density):
    mask = np.random.default_rng(seed).random((rows, columns)) < density
    polygons = outlines(mask)
    assert sum(enclosed(polygon) for polygon in polygons) == mask.sum()
    padded = np.pad(mask, 1).astype(int)
    edges = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    assert sum(length(polygon) for polygon in polygons) == edges
    outer = sum(enclosed(polygon) > 0 for polygon in polygons)
    assert outer == ndimage.label(mask)[1]  # four neighbours, as corners do not connect
    background = ndimage.label(np.pad(~mask, 1, constant_values=True), np.ones((3, 3)))[1]
    assert len(polygons) - outer == background - 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99999))
def test_only_corners_are_listed_and_steps_go_along_one_axis(seed):
    mask = np.random.default_rng(seed).random((8, 8)) < 0.6
    for polygon in outlines(mask):
        steps = np.diff(polygon, axis=0)
        assert ((steps == 0).sum(axis=1) == 1).all()
        ring = np.vstack([steps, steps[:1]])
        turns = (ring[:-1] == 0) != (ring[1:] == 0)
        assert turns.all()


@pytest.mark.parametrize("offset", [(0, 0), (3, 7)])
def test_moving_the_mask_moves_the_outline(offset):
    small = np.array([[1, 1, 0], [0, 1, 1]])
    mask = np.zeros((10, 14))
    mask[offset[0] : offset[0] + 2, offset[1] : offset[1] + 3] = small
    assert np.array_equal(outlines(mask)[0], outlines(small)[0] + offset)
