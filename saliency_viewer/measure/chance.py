"""What unrelated maps of the same smoothness would agree by: one map moved against the other in every way.

A map of 7 x 7 cells, spread over a radiograph, agrees with another one by chance far more often than its thousands of
pixels suggest. So the number of two maps is held against those of the same two maps with one of them moved, round the
edges, by every possible distance: smoothness and values stay, only the places do not belong together any more. All
distances at once are one circular cross-correlation (convolution theorem).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.measure.ranks import Mask

PERCENTILE = 95.0
_LARGEST = 1 << 18  # voxels; larger grids are thinned out evenly, which smooth maps do not notice


class Shifts:
    """The box around what was seen; ``planar`` moves slices in their own plane only."""

    def __init__(self, seen: Mask, planar: bool) -> None:
        self._box = _box(seen)
        inside = seen[self._box]
        self._planar = planar
        self._steps = _steps(inside.shape, planar)
        self.seen = inside[self._steps]

    def chance_correlation(self, first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
        """The 95th percentile of Pearson's r over all moves; None when a map is constant here.

        Both are (slice, row, column) on the whole grid, ranks or values; what was not seen counts as the mean.
        """
        a, b = (self._centred(values) for values in (first, second))
        size = float(np.sqrt((a * a).sum() * (b * b).sum()))
        if size <= 0.0:
            return None
        return float(np.percentile(self._correlated(a, b) / size, PERCENTILE))

    def chance_iou(self, first: Mask, second: Mask) -> float | None:
        """The 95th percentile of intersection over union of two sets over all moves; None when one is empty."""
        a, b = (values[self._box][self._steps].astype(np.float64) for values in (first, second))
        total = float(a.sum() + b.sum())
        if not a.any() or not b.any():
            return None
        common = np.rint(self._correlated(a, b))
        return float(np.percentile(common / (total - common), PERCENTILE))

    def _centred(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        part = np.where(self.seen, values[self._box][self._steps], 0.0)
        mean = part.sum() / max(int(self.seen.sum()), 1)
        return np.where(self.seen, part - mean, 0.0)

    def _correlated(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of a(x) b(x + d) for every move d; slices are added up where they are not moved."""
        axes = (1, 2) if self._planar else (0, 1, 2)
        shape = [a.shape[axis] for axis in axes]
        product = np.conj(np.fft.rfftn(a, axes=axes)) * np.fft.rfftn(b, axes=axes)
        if self._planar:
            return np.asarray(np.fft.irfftn(product.sum(axis=0), s=shape, axes=(0, 1)))
        return np.asarray(np.fft.irfftn(product, s=shape, axes=axes))


def _box(seen: Mask) -> tuple[slice, slice, slice]:
    bounds = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        hit = np.flatnonzero(seen.any(axis=others))
        bounds.append(slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0))
    return bounds[0], bounds[1], bounds[2]


def _steps(shape: tuple[int, ...], planar: bool) -> tuple[slice, slice, slice]:
    step = 1
    while np.prod([-(-size // step) for size in shape]) > _LARGEST:
        step += 1
    return slice(None, None, 1 if planar else step), slice(None, None, step), slice(None, None, step)
