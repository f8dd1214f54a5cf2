from __future__ import annotations

import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.spatial import Geometry, axis_codes, edge_letters, orientation_name, plane_of_axis
from saliency_viewer.spatial.planes import opposite

PAIRS = ("LR", "PA", "SI")
ALL = ["".join(sides) for order in itertools.permutations(PAIRS) for sides in itertools.product(*order)]


def grid_towards(letters, shape=(4, 5, 6)):
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for axis, letter in enumerate(letters):
        affine["LPS".index(letter) if letter in "LPS" else "RAI".index(letter), axis] = 1 if letter in "LPS" else -1
    return Geometry(shape, affine)


@pytest.mark.parametrize("letters", ALL)
def test_codes_name_the_side_that_each_axis_grows_towards(letters):
    assert "".join(axis_codes(grid_towards(letters))) == letters


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 99999))
def test_codes_of_oblique_grids_are_nibabels(seed):
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation
    expected = nib.aff2axcodes(np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    found = axis_codes(Geometry((2, 2, 2), affine))
    # Where an axis lies between two sides, its name is a matter of taste.
    if np.abs(rotation).max(axis=0).min() > 0.8:
        assert found == expected


@pytest.mark.parametrize("letters", ALL)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_plane_of_every_grid_stands_radiologically(letters, axis):
    grid = grid_towards(letters)
    plane = plane_of_axis(grid, axis)
    normal = next(pair for pair in PAIRS if letters[axis] in pair)
    name, edges = {
        "SI": ("axial", ("R", "L", "A", "P")),
        "PA": ("coronal", ("R", "L", "S", "I")),
        "LR": ("sagittal", ("A", "P", "S", "I")),
    }[normal]
    assert plane.name == name
    assert edge_letters(grid, plane) == edges
    assert {plane.through, plane.down, plane.right} == {0, 1, 2}


def test_radiograph_and_unknown_orientation_are_shown_as_stored():
    for grid in (grid_towards("PIR", (1, 5, 6)), Geometry.from_spacing((4, 5, 6))):
        plane = plane_of_axis(grid, 0)
        assert (plane.down, plane.right, plane.flip_down, plane.flip_right) == (1, 2, False, False)


def test_unknown_orientation_has_no_letters():
    grid = Geometry.from_spacing((4, 5, 6))
    assert edge_letters(grid, plane_of_axis(grid, 0)) == ("", "", "", "")
    assert orientation_name(grid) == "unknown"


def test_radiograph_keeps_its_letters():
    grid = grid_towards("PIL", (1, 5, 6))
    assert edge_letters(grid, plane_of_axis(grid, 0)) == ("R", "L", "S", "I")


@pytest.mark.parametrize(
    ("degrees", "name"), [(0, "axial"), (4, "axial"), (6, "oblique axial"), (50, "oblique coronal")]
)
def test_tilt_beyond_five_degrees_is_named(degrees, name):
    angle = np.deg2rad(degrees)
    affine = np.eye(4)
    affine[:3, 0] = (0, -np.sin(angle), np.cos(angle))
    affine[:3, 1] = (0, np.cos(angle), np.sin(angle))
    affine[:3, 2] = (1, 0, 0)
    assert orientation_name(Geometry((3, 3, 3), affine)) == name


def test_opposites_come_in_pairs():
    for pair in PAIRS:
        assert opposite(pair[0]) == pair[1]
        assert opposite(pair[1]) == pair[0]
