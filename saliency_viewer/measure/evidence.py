"""The values that statistics are computed from: those of the whole map once, those of a region each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import WHOLE_IMAGE, AttributionMap, Region
from saliency_viewer.errors import UserError

_PIECE = 1 << 20  # values handled at once, so that no second copy of a large volume is made


def pieces(values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Views of ``values`` (1D) that fit into a processor's cache."""
    return (values[start : start + _PIECE] for start in range(0, len(values), _PIECE))


def summed(values: NDArray[np.float32], part: np.ufunc) -> float:
    """Float64 sum of the positive (``np.maximum``) or negative (``np.minimum``) part."""
    return sum(float(part(piece, np.float32(0)).sum(dtype=np.float64)) for piece in pieces(values))


class MapEvidence:
    """A map within Omega: the organ, or without one everything that the model saw.

    Parameters
    ----------
    amap:
        The map; values that are not finite count as not seen and leave Omega.
    organ:
        (slice, row, column) boolean mask on the map's grid; :class:`UserError` when its shape differs.
    """

    def __init__(self, amap: AttributionMap, organ: NDArray[np.generic] | None = None) -> None:
        if organ is not None and tuple(organ.shape) != amap.geometry.shape:
            raise UserError(
                "The organ mask has another shape than the map.", "Choose the mask that belongs to this image."
            )
        self._described: dict[Callable[[NDArray[np.float32]], float], float] = {}
        self.amap = amap
        self.organ = None if organ is None else np.asarray(organ) != 0

    @cached_property
    def ordered(self) -> NDArray[np.float32]:
        """Every value of Omega in rising order, 1D float32.

        Sorted once for all regions: ranks, thresholds and totals are then look-ups.
        """
        seen = np.isfinite(self.amap.array)
        if self.organ is not None:
            seen &= self.organ
        array = np.asarray(self.amap.array, dtype=np.float32)
        values = array.ravel().copy() if seen.all() else array[seen]
        values.sort()
        return values

    @property
    def voxels(self) -> int:
        """|Omega|."""
        return len(self.ordered)

    @cached_property
    def positive_sum(self) -> float:
        """Sum of the positive part."""
        return summed(self.ordered, np.maximum)

    @cached_property
    def negative_sum(self) -> float:
        """Sum of the negative part, 0 or less."""
        return summed(self.ordered, np.minimum)

    @property
    def is_zero(self) -> bool:
        """Whether there is no evidence at all: no seen voxel, or every one zero."""
        return not self.voxels or (self.ordered[0] == 0.0 and self.ordered[-1] == 0.0)

    def at_least(self, thresholds: NDArray[np.float32]) -> NDArray[np.intp]:
        """How many values of Omega reach each threshold."""
        return self.voxels - np.searchsorted(self.ordered, thresholds, side="left")

    def described(self, describe: Callable[[NDArray[np.float32]], float]) -> float:
        """``describe`` of all values of Omega, which must not be empty; computed once for all regions."""
        if describe not in self._described:
            self._described[describe] = describe(self.ordered)
        return self._described[describe]

    def above(self, threshold: float) -> int:
        """How many values of Omega exceed a threshold."""
        return self.voxels - int(np.searchsorted(self.ordered, np.float32(threshold), side="right"))


@dataclass(frozen=True, eq=False)
class RegionEvidence:
    """A region R within Omega.

    ``values`` are the seen values inside, 1D float32; ``drawn`` counts the region's voxels before unseen ones
    and those outside the organ left.
    """

    whole: MapEvidence
    name: str
    values: NDArray[np.float32]
    drawn: int

    @classmethod
    def of(cls, whole: MapEvidence, region: Region) -> RegionEvidence:
        """Gather a region's values from its bounding box."""
        inside = region.patch
        if whole.organ is not None:
            inside = inside & whole.organ[region.box]
        values = np.asarray(whole.amap.array[region.box][inside], dtype=np.float32)
        return cls(whole, region.name, values[np.isfinite(values)], region.voxels)

    @cached_property
    def ordered(self) -> NDArray[np.float32]:
        """The values in rising order."""
        return np.sort(self.values)

    @property
    def voxels(self) -> int:
        """|R|, voxels that count."""
        return len(self.values)

    @property
    def share(self) -> float:
        """The share |R| / |Omega| (pi): what a map without preference would give; 0 when Omega is empty."""
        return self.voxels / self.whole.voxels if self.whole.voxels else 0.0

    @cached_property
    def positive_sum(self) -> float:
        """Sum of the positive part inside."""
        return summed(self.values, np.maximum)

    @cached_property
    def negative_sum(self) -> float:
        """Sum of the negative part inside, 0 or less."""
        return summed(self.values, np.minimum)

    @property
    def missing(self) -> str:
        """Why nothing can be said about the region, or an empty string."""
        if self.voxels:
            return ""
        if not self.drawn:
            return "the region is empty"
        return "the model saw nothing of the region" + (" inside the organ" if self.whole.organ is not None else "")

    @property
    def left_out(self) -> str:
        """A sentence when some of the region's voxels do not count, or an empty string."""
        lost = self.drawn - self.voxels
        place = "not seen by the model" + ("" if self.whole.organ is None else " or outside the organ")
        return f"{lost} of {self.drawn} voxels are {place}" if lost else ""


class WholeEvidence(RegionEvidence):
    """Omega itself as a region, for the rows about the map as a whole."""

    @classmethod
    def everything(cls, whole: MapEvidence) -> WholeEvidence:
        """All values of Omega, without a copy."""
        return cls(whole, WHOLE_IMAGE, whole.ordered, whole.voxels)

    @cached_property
    def ordered(self) -> NDArray[np.float32]:
        """The values in rising order, which they already are."""
        return self.values

    @property
    def left_out(self) -> str:
        """How much of the image Omega is, where it is not all of it: cases with other slices do not compare."""
        size = self.whole.amap.array.size
        return "" if self.voxels == size else f"of {size} voxels of the image, {self.voxels} count"

    @property
    def missing(self) -> str:
        """Why nothing can be said, or an empty string."""
        if self.voxels:
            return ""
        return "the model saw nothing of the " + ("image" if self.whole.organ is None else "organ")
