"""The trace of a brush as a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STANDSTILL = 1e-9  # mm; dividing by the square of less overflows


def brush_mask(
    points: ArrayLike, radius_mm: float, spacing: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """(rows, columns) mask of the pixels whose centre is within ``radius_mm`` of the brush's path.

    Parameters
    ----------
    points:
        (n, 2) positions of the disc's centre as (row, column) in voxel-centre coordinates. The path goes
        straight from each to the next, so that a quick stroke has no gaps.
    radius_mm:
        Radius in the units of ``spacing``. A disc smaller than a pixel still paints the pixels under the path.
    spacing:
        Distance of pixel centres along (row, column), mm.
    shape:
        (rows, columns) of the plane.
    """
    path = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(path).all() or radius_mm < 0:
        raise ValueError("the path must be finite and the radius not negative")
    mask = np.zeros(shape, dtype=bool)
    scale = np.asarray(spacing, dtype=np.float64)
    for start, stop in zip(path, path[1:] if len(path) > 1 else path, strict=False):
        _add_segment(mask, start, stop, radius_mm, scale)
    if radius_mm < np.hypot(*scale) / 2:
        _add_thin_line(mask, path)
    return mask


def _add_segment(
    mask: NDArray[np.bool_],
    start: NDArray[np.float64],
    stop: NDArray[np.float64],
    radius: float,
    scale: NDArray[np.float64],
) -> None:
    """Set the pixels within ``radius`` of the segment, looking only at its surroundings."""
    low = np.floor(np.minimum(start, stop) - radius / scale).astype(int).clip(0)
    high = np.minimum(np.ceil(np.maximum(start, stop) + radius / scale).astype(int) + 1, mask.shape)
    if (high <= low).any():
        return
    row = (np.arange(low[0], high[0])[:, None] - start[0]) * scale[0]
    column = (np.arange(low[1], high[1])[None, :] - start[1]) * scale[1]
    along = (stop - start) * scale
    length2 = float(along @ along)
    moved = length2 > _STANDSTILL**2
    part = np.clip((row * along[0] + column * along[1]) / length2, 0.0, 1.0) if moved else 0.0
    distance2 = (row - part * along[0]) ** 2 + (column - part * along[1]) ** 2
    # A hair more than the radius, so that a centre exactly at it counts whatever the rounding.
    mask[low[0] : high[0], low[1] : high[1]] |= distance2 <= radius**2 * (1 + 1e-12)


def _add_thin_line(mask: NDArray[np.bool_], path: NDArray[np.float64]) -> None:
    """Set the pixels under the path itself."""
    if len(path) > 1:
        steps = np.ceil(np.abs(np.diff(path, axis=0)).max(axis=1) * 2).astype(int) + 1
        legs = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(path, path[1:], steps, strict=False)]
        path = np.concatenate([*legs, path[-1:]])
    pixel = np.floor(path + 0.5).astype(int)
    inside = ((pixel >= 0) & (pixel < mask.shape)).all(axis=1)
    mask[pixel[inside, 0], pixel[inside, 1]] = True
