"""Planes at uneven distances, tilted or shifted, resampled onto a grid with even distances and right angles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.spatial.geometry import Geometry

WIDEST_BRIDGED = 3  # slices between two planes over which they are interpolated
_NO_SHIFT = 1e-3  # pixels; smaller shifts are rounding


@dataclass(frozen=True, eq=False)
class RegularGrid:
    """A regular grid and where the stored planes lie on it.

    ``depths`` (planes,) are their places in slices of ``geometry``, rising; ``offsets`` (planes, 2) the (row, column)
    of their first voxels on its slices.
    """

    geometry: Geometry
    depths: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @classmethod
    def of(cls, stored: Geometry, positions: NDArray[np.float64], step: float) -> RegularGrid:
        """The grid for planes with their first voxels at ``positions`` (planes, 3), LPS mm, along the slices' normal.

        ``stored`` gives directions, pixel spacing and size of the planes; ``step`` is the wished distance of slices
        in mm, changed so that the first and the last plane lie on slices. The slices are as large as all planes
        together, seen along the normal.
        """
        down, right = stored.direction[:, 1], stored.direction[:, 2]
        normal = np.cross(right, down)
        _, row, column = stored.spacing
        relative = positions - positions[0]
        where = relative @ normal
        count = max(2, round(float(where[-1]) / step) + 1)
        offsets = np.stack([relative @ down / row, relative @ right / column], axis=1)
        low, high = np.floor(offsets.min(0) + _NO_SHIFT), np.ceil(offsets.max(0) - _NO_SHIFT)
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1], affine[:3, 2] = normal * where[-1] / (count - 1), down * row, right * column
        affine[:3, 3] = positions[0] + down * row * low[0] + right * column * low[1]
        rows, columns = (int(n + b - a) for n, a, b in zip(stored.shape[1:], low, high, strict=True))
        geometry = replace(stored, shape=(count, rows, columns), affine=affine)
        return cls(geometry, where / where[-1] * (count - 1), offsets - low)

    def resample(
        self, plane: Callable[[int], NDArray[np.generic]], fill: float, advance: Callable[[float], None]
    ) -> NDArray[np.float32]:
        """Linear interpolation: (slice, row, column) float32 on ``geometry``.

        ``plane(k)`` is the stored plane k, (row, column); two are held at a time. ``fill`` stands where no plane
        reaches. ``advance`` hears the fraction done.
        """
        count, rows, columns = self.geometry.shape
        result = np.empty((count, rows, columns), dtype=np.float32)
        held: dict[int, NDArray[np.float32]] = {}
        for j in range(count):
            above = int(np.clip(np.searchsorted(self.depths, j, side="left"), 1, len(self.depths) - 1))
            for k in (above - 1, above):
                if k not in held:
                    held[k] = _placed(plane(k), self.offsets[k], (rows, columns), fill)
            gap = self.depths[above] - self.depths[above - 1]
            if gap > WIDEST_BRIDGED + _NO_SHIFT and min(j - self.depths[above - 1], self.depths[above] - j) > 0.5:
                result[j] = fill  # nothing was imaged here, and nothing is made up
                advance((j + 1) / count)
                continue
            part = np.float32(np.clip((j - self.depths[above - 1]) / gap, 0.0, 1.0))
            np.multiply(held[above - 1], 1 - part, out=result[j])
            result[j] += held[above] * part
            held = {k: one for k, one in held.items() if k >= above - 1}
            advance((j + 1) / count)
        return result


def _placed(
    plane: NDArray[np.generic], offset: NDArray[np.float64], shape: tuple[int, int], fill: float
) -> NDArray[np.float32]:
    """``plane`` on a larger slice, its first pixel at ``offset`` (row, column)."""
    values = plane.astype(np.float32)
    whole = np.rint(offset)
    if np.abs(offset - whole).max() <= _NO_SHIFT:
        placed = np.full(shape, fill, dtype=np.float32)
        top, left = int(whole[0]), int(whole[1])
        placed[top : top + plane.shape[0], left : left + plane.shape[1]] = values
        return placed
    from scipy import ndimage

    moved: NDArray[np.float32] = ndimage.affine_transform(
        values, np.ones(2), -offset, output_shape=shape, order=1, mode="constant", cval=fill, prefilter=False
    )
    return moved
