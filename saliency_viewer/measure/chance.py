"""What unrelated maps of the same smoothness would agree by: one map moved against the other in every way.

A map of 7 x 7 cells, spread over a radiograph, agrees with another one by chance far more often than its thousands of
pixels suggest. So the number of two maps is held against those of the same two maps with one of them moved, round the
edges, by every possible distance: smoothness and values stay, only the places do not belong together any more. All
distances at once are one circular cross-correlation (convolution theorem).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.measure.ranks import Mask

PERCENTILE = 95.0
# Voxels; larger grids are thinned out evenly. On 64 x 256 x 256 voxels, noise smoothed over 4 to 32 of them, that
# changes the level of a correlation by 0.002 at most, that of an overlap by 0.003.
_LARGEST = 1 << 18


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The Fourier transform of a map over the axes along which it is moved, and the map's own size."""

    values: NDArray[np.complex128]
    size: float


class Shifts:
    """The box around what was seen; ``planar`` moves slices in their own plane only."""

    def __init__(self, seen: Mask, planar: bool) -> None:
        self._box = _box(seen)
        inside = seen[self._box]
        self.planar = planar
        self._steps = _steps(inside.shape, planar)
        self.seen = inside[self._steps]

    def correlation_of(self, first: Spectrum, second: Spectrum) -> float | None:
        """The 95th percentile of Pearson's r over all moves of :meth:`of_values`; None when a map is constant here."""
        size = float(np.sqrt(first.size * second.size))
        if size <= 0.0:
            return None
        return float(np.percentile(self._correlated(first, second) / size, PERCENTILE))

    def iou_of(self, first: Spectrum, second: Spectrum) -> float | None:
        """The 95th percentile of intersection over union over all moves of :meth:`of_set`; None when one is empty."""
        total = first.size + second.size
        if not first.size or not second.size:
            return None
        common = np.rint(self._correlated(first, second))
        return float(np.percentile(common / (total - common), PERCENTILE))

    def of_values(self, values: NDArray[np.float64]) -> Spectrum:
        """What :meth:`correlation_of` needs of one map; its size is the sum of squares about the mean.

        ``values`` are ranks or raw, (slice, row, column) on the whole grid; what was not seen counts as the mean.
        """
        centred = self._centred(values)
        return self._spectrum(centred, float((centred * centred).sum()))

    def of_set(self, chosen: Mask) -> Spectrum:
        """What :meth:`iou_of` needs of one set, a mask of the whole grid; its size is the number of its voxels."""
        part = chosen[self._box][self._steps].astype(np.float64)
        return self._spectrum(part, float(part.sum()))

    def _centred(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        part = np.where(self.seen, values[self._box][self._steps], 0.0)
        mean = part.sum() / max(int(self.seen.sum()), 1)
        return np.where(self.seen, part - mean, 0.0)

    def _spectrum(self, values: NDArray[np.float64], size: float) -> Spectrum:
        return Spectrum(np.fft.rfftn(values, axes=self._axes), size)

    @property
    def _axes(self) -> tuple[int, ...]:
        return (1, 2) if self.planar else (0, 1, 2)

    def _correlated(self, a: Spectrum, b: Spectrum) -> NDArray[np.float64]:
        """Sum of a(x) b(x + d) for every move d; slices are added up where they are not moved."""
        shape = [self.seen.shape[axis] for axis in self._axes]
        product = np.conj(a.values) * b.values
        if self.planar:
            return np.asarray(np.fft.irfftn(product.sum(axis=0), s=shape, axes=(0, 1)))
        return np.asarray(np.fft.irfftn(product, s=shape, axes=self._axes))


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
