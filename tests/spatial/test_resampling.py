from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import SimpleITK

from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry, require_same_grid, resample_image, resample_labels


def tilted(shape, spacing, degrees, origin=(0.0, 0.0, 0.0)):
    angle = np.deg2rad(degrees)
    affine = np.eye(4)
    affine[:3, 0] = np.array([0, -np.sin(angle), np.cos(angle)]) * spacing[0]
    affine[:3, 1] = np.array([0, np.cos(angle), np.sin(angle)]) * spacing[1]
    affine[:3, 2] = np.array([1, 0, 0]) * spacing[2]
    affine[:3, 3] = origin
    return Geometry(shape, affine)


def as_sitk(array, grid):
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(grid.spacing[::-1])
    image.SetDirection(grid.direction[:, ::-1].ravel())
    image.SetOrigin(grid.to_patient([0, 0, 0]))
    return image


SOURCE = tilted((7, 9, 11), (2.0, 1.0, 1.5), 10)
TARGET = tilted((8, 10, 9), (1.3, 1.1, 1.7), -15, (1.0, -2.0, 3.0))


def test_linear_resampling_agrees_with_simpleitk_inside():
    array = np.random.default_rng(0).normal(size=SOURCE.shape).astype(np.float32)
    found = resample_image(array, SOURCE, TARGET)
    reference = SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(
            as_sitk(array, SOURCE),
            as_sitk(np.zeros(TARGET.shape, np.float32), TARGET),
            SimpleITK.Transform(),
            SimpleITK.sitkLinear,
            1e9,
        )
    )
    both = np.isfinite(found) & (reference < 1e8)
    assert both.sum() > 100
    assert np.abs(found - reference)[both].max() < 1e-5
    assert (np.isfinite(found) == (reference < 1e8)).mean() > 0.99


def test_labels_agree_with_simpleitks_nearest_neighbour():
    labels = np.random.default_rng(1).integers(0, 5, SOURCE.shape).astype(np.int32)
    found = resample_labels(labels, SOURCE, TARGET)
    reference = SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(
            as_sitk(labels, SOURCE),
            as_sitk(np.zeros(TARGET.shape, np.int32), TARGET),
            SimpleITK.Transform(),
            SimpleITK.sitkNearestNeighbor,
            0,
        )
    )
    assert (found == reference).mean() > 0.99
    assert found.max() == 4


def test_straight_and_oblique_grids_take_the_same_voxels():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 9, (6, 7, 8)).astype(np.uint8)
    turned = np.array(SOURCE.affine)[:, [2, 0, 1, 3]] * (-1, 1, 1, 1)  # other order, one axis backwards
    turned[:3, 3] = SOURCE.to_patient([0.3, 0.2, 7.4])
    source = Geometry(labels.shape, SOURCE.affine)
    straight = Geometry((9, 7, 8), turned)
    barely = turned.copy()
    barely[:3, 1] += 1e-5 * turned[:3, 2]  # no longer along one axis, so the general way is taken
    found = resample_labels(labels, source, straight)
    assert found.dtype == np.uint8
    assert found.any()
    assert np.array_equal(found, resample_labels(labels, source, Geometry((9, 7, 8), barely)))
    index = np.stack(np.meshgrid(*map(np.arange, straight.shape), indexing="ij"), axis=-1)
    place = np.rint(source.to_index(straight.to_patient(index))).astype(int)
    inside = np.all((place >= 0) & (place < labels.shape), axis=-1)
    assert np.array_equal(found[inside], labels[tuple(place[inside].T)])
    assert not found[~inside].any()


def test_centres_half_way_between_two_voxels_all_go_the_same_way():
    labels = np.arange(1, 11, dtype=np.int16).reshape(1, 1, 10)
    for origin in (0.0, 0.1, -77.7):
        source = Geometry((1, 1, 10), np.diag([1.0, 1.0, 0.3, 1.0]))
        moved = np.array(source.affine)
        moved[:3, 3] += origin
        source = Geometry((1, 1, 10), moved)
        fine = moved.copy()
        fine[2, 2] /= 2
        found = resample_labels(labels, source, Geometry((1, 1, 19), fine))[0, 0]
        assert found.tolist() == [1 + (k + 1) // 2 for k in range(19)]


def test_labels_take_little_more_memory_than_their_result():
    labels = np.ones((40, 128, 128), np.uint8)
    source = tilted(labels.shape, (2.0, 1.0, 1.0), 10)
    for degrees in (10, 25):
        target = tilted((60, 160, 160), (1.5, 0.8, 0.8), degrees)
        tracemalloc.start()
        resample_labels(labels, source, target)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2.5 * np.prod(target.shape) + 2**21


def test_linear_ramp_is_reproduced_exactly():
    index = np.stack(np.meshgrid(*map(np.arange, SOURCE.shape), indexing="ij"), axis=-1)
    ramp = SOURCE.to_patient(index) @ (0.5, -1.0, 2.0)
    found = resample_image(ramp, SOURCE, TARGET)
    target = np.stack(np.meshgrid(*map(np.arange, TARGET.shape), indexing="ij"), axis=-1)
    expected = TARGET.to_patient(target) @ (0.5, -1.0, 2.0)
    inside = np.all(
        (SOURCE.to_index(TARGET.to_patient(target)) >= 0)
        & (SOURCE.to_index(TARGET.to_patient(target)) <= np.array(SOURCE.shape) - 1),
        axis=-1,
    )
    assert np.abs(found - expected)[inside].max() < 1e-4


def test_same_grid_gives_the_same_values_and_keeps_unseen_voxels():
    array = np.random.default_rng(2).normal(size=SOURCE.shape).astype(np.float32)
    array[2, 3, 4] = np.nan
    found = resample_image(array, SOURCE, SOURCE)
    assert np.array_equal(np.isnan(found), np.isnan(array))
    assert np.allclose(found, array, atol=1e-6, equal_nan=True)


def test_unseen_voxel_spreads_no_further_than_its_neighbours_reach():
    array = np.zeros((1, 1, 9))
    array[0, 0, 4] = np.nan
    source = Geometry.from_spacing((1, 1, 9))
    fine = np.array(source.affine)
    fine[:3, 2] /= 2
    found = resample_image(array, source, Geometry((1, 1, 17), fine))[0, 0]
    assert np.flatnonzero(np.isnan(found)).tolist() == [7, 8, 9]


def test_outside_gets_the_fill_and_the_outermost_half_voxel_does_not():
    array = np.full((1, 1, 4), 5.0)
    source = Geometry.from_spacing((1, 1, 4))
    moved = np.array(source.affine)
    moved[0, 3] = -1.4
    found = resample_image(array, source, Geometry((1, 1, 6), moved), fill=-1.0)[0, 0]
    assert found.tolist() == [-1.0, 5.0, 5.0, 5.0, 5.0, -1.0]  # at -1.4, -0.4, ..., 3.6


def test_other_shape_and_other_place_are_refused_with_the_reason():
    grid = Geometry.from_spacing((2, 3, 4))
    moved = np.array(grid.affine)
    moved[0, 3] += 5
    require_same_grid(grid, Geometry.from_spacing((2, 3, 4)), "The mask")
    with pytest.raises(UserError, match="2 x 3 x 5 instead of 2 x 3 x 4"):
        require_same_grid(grid, Geometry.from_spacing((2, 3, 5)), "The mask")
    with pytest.raises(UserError, match="The mask lies elsewhere"):
        require_same_grid(grid, Geometry((2, 3, 4), moved), "The mask")
