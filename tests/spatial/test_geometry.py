from __future__ import annotations

import pickle

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency_viewer.spatial import Geometry


def oblique(seed, shear=0.0):
    """A random rotation with uneven spacing, and the (slice, row, column) spacing it was made with."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    spacing = rng.uniform(0.3, 4.0, 3)
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    affine[:3, 0] += shear * rotation[:, 1]
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return Geometry((5, 6, 7), affine), spacing


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9999), st.floats(-2, 2))
def test_index_and_patient_are_inverse_also_for_tilted_grids(seed, shear):
    grid, _ = oblique(seed, shear)
    index = np.random.default_rng(seed).uniform(-10, 20, (4, 3, 3))
    assert np.allclose(grid.to_index(grid.to_patient(index)), index, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9999))
def test_spacing_is_the_distance_of_neighbouring_centres(seed):
    grid, spacing = oblique(seed)
    centre = grid.to_patient([1, 2, 3])
    for axis in range(3):
        neighbour = grid.to_patient(np.array([1, 2, 3]) + np.eye(3)[axis])
        assert np.linalg.norm(neighbour - centre) == pytest.approx(grid.spacing[axis])
        assert grid.spacing[axis] == pytest.approx(spacing[axis])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9999))
def test_spacing_and_sides_agree_with_nibabel(seed):
    grid, _ = oblique(seed)
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine
    assert np.allclose(grid.spacing, nib.affines.voxel_sizes(to_ras))
    assert np.allclose(grid.to_patient([1, 2, 3]) * (-1, -1, 1), nib.affines.apply_affine(to_ras, [1, 2, 3]))


def test_volume_of_a_sheared_voxel_is_base_times_height():
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 2.0], [1.0, 3.0, 0], [4.0, 0, 0]])
    grid = Geometry((2, 2, 2), affine)
    assert grid.voxel_volume == pytest.approx(24.0)
    assert grid.pixel_area == pytest.approx(6.0)
    assert grid.spacing[0] == pytest.approx(np.sqrt(17))


def test_grid_from_spacing_goes_left_posterior_superior():
    grid = Geometry.from_spacing((2, 3, 4), (5.0, 2.0, 1.0), "patient", True)
    assert grid.to_patient([1, 1, 1]).tolist() == [1.0, 2.0, 5.0]


@pytest.mark.parametrize(
    "affine", [np.eye(3), np.zeros((4, 4)), np.diag([1.0, 1.0, 0.0, 1.0]), np.full((4, 4), np.nan)]
)
def test_impossible_affines_are_refused(affine):
    with pytest.raises(ValueError, match="affine"):
        Geometry((1, 2, 3), affine)


def test_affine_is_the_grids_own_and_read_only():
    affine = np.eye(4)
    grid = Geometry((1, 2, 3), affine)
    affine[0, 3] = 99
    assert grid.affine[0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2


def test_sameness_looks_at_every_corner():
    grid = Geometry.from_spacing((10, 200, 300))
    slightly = grid.affine.copy()
    slightly[0, 2] *= 1 + 1e-4  # 0.03 mm at the last column
    assert grid.same_as(Geometry(grid.shape, grid.affine))
    assert not grid.same_as(Geometry(grid.shape, slightly))
    assert grid.same_as(Geometry(grid.shape, slightly), tolerance=0.1)
    assert not grid.same_as(Geometry.from_spacing((10, 200, 301)))


@pytest.mark.parametrize("size", [0.05, 1.0, 8.0])
def test_rounding_is_forgiven_in_proportion_to_the_voxels(size):
    grid = Geometry.from_spacing((3, 4, 5), (20 * size, size, size))
    assert grid.same_as(Geometry(grid.shape, grid.affine.astype(np.float32)))
    for part, same in ((0.009, True), (0.011, False)):
        moved = grid.affine.copy()
        moved[1, 3] += part * size
        assert grid.same_as(Geometry(grid.shape, moved)) is same
        assert Geometry(grid.shape, moved).same_as(grid) is same


def test_geometry_survives_pickling():
    grid, _ = oblique(4)
    assert pickle.loads(pickle.dumps(grid)).same_as(grid)
