"""Ranks of a map's values, and how far the ranks of several maps are apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap

Mask = NDArray[np.bool_]


def seen_by_all(maps: Sequence[AttributionMap]) -> Mask:
    """(slice, row, column) mask of the voxels where every map has a finite value."""
    seen = np.isfinite(maps[0].array)
    for amap in maps[1:]:
        seen &= np.isfinite(amap.array)
    return seen


def normalised_ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Ranks of 1D values from 0 (lowest) to 1 (highest); equal values share their mean rank.

    A single value, and values that are all equal, get 0.5.
    """
    from scipy.stats import rankdata

    if len(values) < 2:
        return np.full(len(values), 0.5)
    return np.asarray((rankdata(values) - 1.0) / (len(values) - 1.0), dtype=np.float64)


class Ranks:
    """Normalised ranks of maps on what was seen, each computed once however many pairs a map stands in."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bool, bytes], NDArray[np.float64]] = {}
        self._maps: list[AttributionMap] = []  # kept, so that no other map gets the number of one that is known

    def of(self, amap: AttributionMap, seen: Mask, sizes: bool) -> NDArray[np.float64]:
        """1D ranks of the values where ``seen``, of their sizes instead with ``sizes``."""
        key = id(amap), sizes, hashlib.sha256(np.packbits(seen).tobytes()).digest()
        if key not in self._known:
            values = amap.array[seen]
            self._known[key] = normalised_ranks(np.abs(values) if sizes else values)
            self._maps.append(amap)
        return self._known[key]


def rank_range(maps: Sequence[AttributionMap]) -> NDArray[np.float32]:
    """Largest minus smallest normalised rank at every voxel: 0 where all agree, 1 where they contradict each other.

    Ranks do not ask what unit a map has, so maps of different methods and models can be put side by side. Takes two
    or more maps on one grid; returns (slice, row, column) float32, NaN where any map saw nothing.
    """
    seen = seen_by_all(maps)
    lowest = np.full(int(seen.sum()), np.inf)
    highest = -lowest
    for amap in maps:
        ranks = normalised_ranks(amap.array[seen])
        np.minimum(lowest, ranks, out=lowest)
        np.maximum(highest, ranks, out=highest)
    out = np.full(seen.shape, np.nan, dtype=np.float32)
    out[seen] = highest - lowest
    return out
