"""An outline as a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def polygon_mask(points: ArrayLike, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(rows, columns) mask of the pixels whose centre lies inside the closed polygon.

    Parameters
    ----------
    points:
        (n, 2) corners as (row, column) in voxel-centre coordinates; they may lie outside the image. The
        last corner is joined to the first. Fewer than three corners enclose nothing.
    shape:
        (rows, columns) of the plane.

    Notes
    -----
    Even-odd rule. A centre exactly on an edge belongs to the polygon on its right (below, for a horizontal
    edge), so polygons that share an edge never share a pixel and leave none between them.
    """
    corners = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(corners).all():
        raise ValueError("polygon corners must be finite")
    toggles = np.zeros((shape[0], shape[1] + 1), dtype=np.uint8)
    if len(corners) < 3:
        return toggles[:, :-1].astype(bool)
    row, column = _crossings(corners, shape[0])
    first = np.clip(np.ceil(column), 0, shape[1]).astype(np.intp)
    # Every crossing turns the rest of its row inside out.
    counts = np.bincount(row * (shape[1] + 1) + first, minlength=toggles.size)
    toggles[:] = (counts & 1).reshape(toggles.shape)
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :-1].astype(bool)


def _crossings(corners: NDArray[np.float64], rows: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Where the edges cross the centre lines of the rows: row indices and column coordinates."""
    ends = np.roll(corners, -1, axis=0)
    # Each edge is taken from its upper end, so that two polygons compute a shared edge bit for bit alike.
    swap = (ends[:, 0] < corners[:, 0])[:, None]
    upper, lower = np.where(swap, ends, corners), np.where(swap, corners, ends)
    first = np.clip(np.ceil(upper[:, 0]), 0, rows).astype(np.intp)
    stop = np.clip(np.ceil(lower[:, 0]), 0, rows).astype(np.intp)  # the lower end itself is left out
    count = np.maximum(stop - first, 0)
    edge = np.repeat(np.arange(len(corners)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    height = np.where(count > 0, lower[:, 0] - upper[:, 0], 1.0)
    slope = (lower[:, 1] - upper[:, 1]) / height
    return row, upper[edge, 1] + (row - upper[edge, 0]) * slope[edge]
