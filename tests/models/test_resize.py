"""Interpolation matrices against torch's interpolate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from saliency_viewer.models.resize import apply_along, lookup_matrix, resize_matrix

SIZES = [((1000, 777), (224, 224)), ((37, 53), (64, 20)), ((5, 7), (5, 30)), ((224, 64), (17, 2))]


def ours(array, new, interpolation, antialias):
    for axis, size in enumerate(new):
        array = apply_along(resize_matrix(array.shape[axis], size, interpolation, antialias), array, axis)
    return array


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize(("name", "mode"), [("linear", "bilinear"), ("cubic", "bicubic")])
def test_resizing_in_2d_equals_torch(old, new, antialias, name, mode):
    array = np.random.default_rng(1).random(old, dtype=np.float32)
    # In float32 torch rounds its coordinates, by up to 1e-4 of a pixel at 1000.
    exact = torch.from_numpy(array)[None, None].double()
    theirs = interpolate(exact, new, mode=mode, antialias=antialias, align_corners=False)
    np.testing.assert_allclose(ours(array, new, name, antialias), theirs[0, 0].numpy(), atol=1e-5)


def test_resizing_in_3d_without_antialias_equals_torch():
    array = np.random.default_rng(2).random((9, 20, 31), dtype=np.float32)
    theirs = interpolate(torch.from_numpy(array)[None, None], (14, 12, 40), mode="trilinear", align_corners=False)
    np.testing.assert_allclose(ours(array, (14, 12, 40), "linear", False), theirs[0, 0].numpy(), atol=1e-5)


def test_resizing_in_3d_with_antialias_equals_torch_plane_by_plane():
    array = np.random.default_rng(3).random((12, 40, 33), dtype=np.float32)
    stack = torch.from_numpy(array)
    rows = interpolate(stack[:, None], (15, 10), mode="bilinear", antialias=True, align_corners=False)[:, 0]
    turned = rows.permute(1, 0, 2)[:, None]  # torch has no 3D antialias: the slices' axis in a second 2D pass
    theirs = interpolate(turned, (5, 10), mode="bilinear", antialias=True, align_corners=False)[:, 0].permute(1, 0, 2)
    np.testing.assert_allclose(ours(array, (5, 15, 10), "linear", True), theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_nearest_equals_torch_nearest_exact(old, new):
    array = np.random.default_rng(4).random(old, dtype=np.float32)
    theirs = interpolate(torch.from_numpy(array)[None, None], new, mode="nearest-exact")
    np.testing.assert_array_equal(ours(array, new, "nearest", True), theirs[0, 0].numpy())


def test_lookup_reads_a_straight_line_exactly_and_stays_between_its_limits():
    line = 3.0 * np.arange(10, dtype=np.float32) + 1.0
    positions = np.array([2.0, 2.25, 4.9, 0.0, 9.0])
    expected = 3.0 * np.clip(positions, 2, 7) + 1.0
    np.testing.assert_allclose(lookup_matrix(positions, 2, 7, 10) @ line, expected, rtol=1e-6)


def test_shrinking_to_one_value_is_a_weighted_mean():
    # torch repeats the first row when an antialiased image becomes one column, so the formula itself is the oracle.
    size = 64
    weights = np.maximum(0.0, 1.0 - np.abs((np.arange(size) + 0.5 - size / 2) / size))
    np.testing.assert_allclose(resize_matrix(size, 1, "linear", True).toarray()[0], weights / weights.sum(), rtol=1e-6)
