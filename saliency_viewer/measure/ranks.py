"""Ranks of a map's values, and how far the ranks of several maps are apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap

Mask = NDArray[np.bool_]
Found = TypeVar("Found")


def seen_by_all(maps: Sequence[AttributionMap]) -> Mask:
    """(slice, row, column) mask of the voxels where every map has a finite value."""
    seen = np.isfinite(maps[0].array)
    for amap in maps[1:]:
        seen &= np.isfinite(amap.array)
    return seen


def normalised_ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ranks of 1D finite values from 0 (lowest) to 1 (highest); equal values share their mean rank.

    A single value, and values that are all equal, get 0.5.
    """
    count = len(values)
    if count < 2:
        return np.full(count, 0.5)
    ordered = _keys(values).astype(np.uint64)
    ordered <<= np.uint64(32)
    ordered |= np.arange(count, dtype=np.uint64)  # so that one sort of plain integers gives the order as well
    ordered.sort()
    places = ordered.astype(np.uint32)  # the lower half
    ordered >>= np.uint64(32)
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ranks = np.empty(count)
    if len(starts) == count:
        ranks[places] = starts
    else:
        repeats = np.diff(starts, append=count)
        ranks[places] = np.repeat(starts + (repeats - 1) / 2, repeats)
    ranks /= count - 1
    return ranks


def _keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Unsigned integers in the order of the values (IEEE 754 totalOrder), with one zero instead of two."""
    bits = (values.astype(np.float32, copy=False) + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


class Memory:
    """What was found out of single maps on what was seen, each once however many pairs a map stands in."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes, str], Any] = {}
        self._maps: list[AttributionMap] = []  # kept, so that no other map gets the number of one that is known

    def once(self, amap: AttributionMap, seen: Mask, what: str, make: Callable[[], Found]) -> Found:
        """What ``make`` gives, or gave before for this map, this mask and this word."""
        key = id(amap), _digest(seen), what
        if key not in self._known:
            self._known[key] = make()
            self._maps.append(amap)
        found: Found = self._known[key]
        return found

    def ranks(self, amap: AttributionMap, seen: Mask, sizes: bool = False) -> NDArray[np.float64]:
        """1D ranks of the values where ``seen``, of their sizes instead with ``sizes``."""

        def make() -> NDArray[np.float64]:
            values = amap.array[seen]
            return normalised_ranks(np.abs(values) if sizes else values)

        return self.once(amap, seen, "ranks of sizes" if sizes else "ranks", make)


def _digest(seen: Mask) -> bytes:
    return hashlib.sha256(np.packbits(seen).tobytes() + str(seen.shape).encode()).digest()


def rank_range(maps: Sequence[AttributionMap], memory: Memory | None = None) -> NDArray[np.float32]:
    """Largest minus smallest normalised rank at every voxel: 0 where all agree, 1 where they contradict each other.

    Ranks do not ask what unit a map has, so maps of different methods and models can be put side by side. Takes two
    or more maps on one grid; returns (slice, row, column) float32, NaN where any map saw nothing.
    """
    memory = memory or Memory()
    seen = seen_by_all(maps)
    lowest = np.full(int(seen.sum()), np.inf)
    highest = -lowest
    for amap in maps:
        ranks = memory.ranks(amap, seen)
        np.minimum(lowest, ranks, out=lowest)
        np.maximum(highest, ranks, out=highest)
    out = np.full(seen.shape, np.nan, dtype=np.float32)
    out[seen] = highest - lowest
    return out
