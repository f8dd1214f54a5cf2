"""From numbers in a file to values of the smallest exact type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SMALL: tuple[Any, ...] = tuple(map(np.dtype, (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32)))
_FLOAT = np.dtype(np.float32)
_CHUNK = 1 << 20  # pixels whose luminance is weighed at a time


@dataclass(frozen=True)
class Conversion:
    """How numbers become values: ``target`` and slope * number + intercept."""

    source: np.dtype[Any]
    target: np.dtype[Any]
    slope: float
    intercept: float

    @property
    def same(self) -> bool:
        """Whether bytes can stay as they are, but for their order."""
        return self.source.newbyteorder("=") == self.target and self.slope == 1 and self.intercept == 0

    @staticmethod
    def needs_range(source: np.dtype[Any], slope: float, intercept: float) -> bool:
        """Whether the fitting type depends on the numbers: 64-bit integers, and 32-bit ones that are shifted."""
        whole = source.kind in "iu" and slope == 1 and float(intercept).is_integer()
        return whole and (source.itemsize == 8 or (source.itemsize == 4 and intercept != 0))

    def apply(self, numbers: NDArray[np.generic]) -> NDArray[np.generic]:
        """One piece of numbers as values; what float32 cannot hold becomes infinite, what is no number stays so."""
        with np.errstate(all="ignore"):
            if self.slope == 1 and self.intercept == 0:
                return numbers.astype(self.target)
            if self.target.kind in "iu":
                return np.asarray(numbers.astype(np.int64) + int(self.intercept)).astype(self.target)
            return np.asarray(numbers.astype(np.float64) * self.slope + self.intercept).astype(self.target)


def conversion(
    source: np.dtype[Any], slope: float, intercept: float, found: tuple[int, int] | None = None
) -> Conversion:
    """The plan for numbers of type ``source``; ``found`` is their range where :meth:`Conversion.needs_range`.

    Integers stay integers while only a whole number is added and a type of at most 32 bits holds them; everything
    else is float32.
    """
    native = source.newbyteorder("=")
    if native.kind == "f" or slope != 1 or not float(intercept).is_integer():
        return Conversion(source, _FLOAT, slope, intercept)
    if intercept == 0 and found is None:
        return Conversion(source, native, slope, intercept)
    limits = np.iinfo(native.name)
    low, high = found or (int(limits.min), int(limits.max))
    target = fitting(low + int(intercept), high + int(intercept))
    return Conversion(source, target, slope, intercept)


def fitting(low: int, high: int) -> np.dtype[Any]:
    """The smallest integer type that holds both, float32 where none of at most 32 bits does."""
    return next((kind for kind in _SMALL if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max), _FLOAT)


def luminance(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rec. 601 luma of (..., 3) colours, rounded; equal channels keep their value exactly."""
    flat = colour.reshape(-1, 3)
    result = np.empty(len(flat), np.uint8)
    # In chunks: the weighted sum of a whole picture in float64 would take eight times its luminance.
    for start in range(0, len(flat), _CHUNK):
        part = flat[start : start + _CHUNK]
        result[start : start + _CHUNK] = np.rint(part[:, 0] * 0.299 + part[:, 1] * 0.587 + part[:, 2] * 0.114)
    return result.reshape(colour.shape[:-1])
