"""Changing a region's mask inside its bounding box, without ever building the whole volume."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region

Box = tuple[slice, slice, slice]


def toggled(region: Region, axis: int, index: int, corner: tuple[int, int], changed: NDArray[np.bool_]) -> Region:
    """``region`` with the set voxels of ``changed`` turned over.

    ``changed`` is 2D over the two remaining axes in rising order, its first voxel at ``corner`` of the slice
    ``index`` along ``axis``. The bounding box grows or shrinks with the result.
    """
    start, stop = _span(axis, index, corner, changed.shape)
    if region.patch.size:
        low = np.minimum(start, region.origin)
        high = np.maximum(stop, np.add(region.origin, region.patch.shape))
    else:
        low, high = np.array(start), np.array(stop)
    if region.patch.size and tuple(high - low) == region.patch.shape:
        patch = region.patch.copy()
    else:
        patch = np.zeros(tuple(high - low), dtype=bool)
        if region.patch.size:
            patch[_box(np.subtract(region.origin, low), region.patch.shape)] = region.patch
    view = patch[_box(np.subtract(start, low), np.subtract(stop, start))]
    view ^= np.expand_dims(changed, axis)
    return _tightened(region, low, patch)


def _span(
    axis: int, index: int, corner: tuple[int, int], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    start, stop = list(corner), [corner[0] + shape[0], corner[1] + shape[1]]
    start.insert(axis, index)
    stop.insert(axis, index + 1)
    return tuple(start), tuple(stop)


def _box(start: NDArray[np.integer], shape: NDArray[np.integer] | tuple[int, ...]) -> Box:
    z, y, x = (slice(int(s), int(s) + int(n)) for s, n in zip(start, shape, strict=True))
    return z, y, x


def _tightened(region: Region, origin: NDArray[np.integer], patch: NDArray[np.bool_]) -> Region:
    """Cut empty faces off. Only faces are looked at, so a large region costs little."""
    low, high = [0, 0, 0], list(patch.shape)
    for axis in range(3):
        for side in (0, 1):
            while low[axis] < high[axis] and not _face(patch, low, high, axis, side).any():
                low[axis], high[axis] = (low[axis] + 1, high[axis]) if side == 0 else (low[axis], high[axis] - 1)
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return replace(region, origin=(0, 0, 0), patch=np.zeros((0, 0, 0), dtype=bool))
    if low != [0, 0, 0] or high != list(patch.shape):
        patch = np.ascontiguousarray(patch[_box(np.array(low), np.subtract(high, low))])
    patch.setflags(write=False)
    z, y, x = (int(o) + n for o, n in zip(origin, low, strict=True))
    return replace(region, origin=(z, y, x), patch=patch)


def _face(patch: NDArray[np.bool_], low: list[int], high: list[int], axis: int, side: int) -> NDArray[np.bool_]:
    index: list[int | slice] = [slice(a, b) for a, b in zip(low, high, strict=True)]
    index[axis] = low[axis] if side == 0 else high[axis] - 1
    return np.asarray(patch[tuple(index)])
