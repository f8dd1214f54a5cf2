"""Uneven, tilted and shifted planes on a regular grid: a linear field comes back exactly."""

from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.spatial import Geometry, RegularGrid

_SPACING = (0.5, 0.8)  # (row, column) mm


def _stored(positions: np.ndarray) -> Geometry:
    """An oblique stack: rows and columns turned about z, the normal along (0, 0, 1)."""
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, 2] = np.array([np.cos(turn), np.sin(turn), 0]) * _SPACING[1]
    affine[:3, 1] = np.array([-np.sin(turn), np.cos(turn), 0]) * _SPACING[0]
    affine[:3, 0] = (positions[-1] - positions[0]) / (len(positions) - 1)
    affine[:3, 3] = positions[0]
    return Geometry((len(positions), 12, 10), affine, frame_of_reference="1.2.3")


def _field(points: np.ndarray) -> np.ndarray:
    return points @ [2.0, -3.0, 5.0] + 7.0


def _plane(stored: Geometry, position: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: stored.shape[1], : stored.shape[2]]
    points = position + rows[..., None] * stored.affine[:3, 1] + columns[..., None] * stored.affine[:3, 2]
    return _field(points)


@pytest.mark.parametrize(
    "positions",
    [
        [[1, 2, z] for z in (0.0, 2.0, 4.7, 6.0, 9.1)],
        [[1, 2 + 0.3 * z, z] for z in (0.0, 2.0, 4.0, 6.0)],
        [[1 + 0.4 * (z == 2), 2, z] for z in (0.0, 2.0, 4.0)],
        [[1 - 0.7 * z, 2 + 0.3 * z, z] for z in (0.0, 1.0, 4.0)],
    ],
    ids=["uneven", "tilted", "shifted", "all"],
)
def test_a_linear_field_is_exact_wherever_planes_reach(positions: list[list[float]]) -> None:
    places = np.array(positions)
    stored = _stored(places)
    grid = RegularGrid.of(stored, places, 2.0)
    planes = [_plane(stored, place) for place in places]
    found = grid.resample(planes.__getitem__, np.nan, lambda _part: None)
    axes = grid.geometry.affine[:3, :3]
    assert np.allclose(axes.T @ axes, np.diag(np.diag(axes.T @ axes)), atol=1e-9)
    assert grid.geometry.spacing[1:] == pytest.approx(_SPACING)
    assert grid.geometry.frame_of_reference == "1.2.3"
    index = np.moveaxis(np.indices(grid.geometry.shape), 0, -1)
    expected = _field(grid.geometry.to_patient(index))
    reached = np.isfinite(found)
    assert reached.mean() > 0.25
    np.testing.assert_allclose(found[reached], expected[reached], atol=1e-3)


def test_every_stored_pixel_lies_within_the_grid() -> None:
    places = np.array([[0, 1.7 * z, z] for z in range(5)], dtype=float)
    stored = _stored(places)
    grid = RegularGrid.of(stored, places, 1.0).geometry
    for place in places:
        for row, column in ((0, 0), (11, 9), (0, 9), (11, 0)):
            corner = place + row * stored.affine[:3, 1] + column * stored.affine[:3, 2]
            index = grid.to_index(corner)
            assert (index >= -1e-6).all()
            assert (index <= np.array(grid.shape) - 1 + 1e-6).all()


def test_what_no_plane_reaches_is_filled_and_progress_ends_at_one() -> None:
    places = np.array([[0, 4.0 * z, z] for z in range(3)], dtype=float)
    stored = _stored(places)
    heard: list[float] = []
    found = RegularGrid.of(stored, places, 1.0).resample(lambda _k: np.ones((12, 10), np.int16), -5.0, heard.append)
    assert set(np.unique(found)) >= {-5.0, 1.0}
    assert heard[-1] == 1.0
    assert heard == sorted(heard)
