"""Which slice of a volume a comparison is best looked at in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap, Comparison


def strongest_slice(comparison: Comparison, among: Sequence[int] = ()) -> int:
    """The slice that holds most evidence of all maps together; ``among`` some slices only.

    Every map counts alike, whatever its unit: what counts of it is each slice's share of its whole evidence. The
    middle slice when no map has any there. Raises :class:`ValueError` when no model gave a result.
    """
    results = [one.result for one in comparison.contenders if one.result is not None]
    if not results:
        raise ValueError("a comparison without a result has no slices")
    count = results[0].volume.geometry.shape[0]
    choice = sorted(set(among)) or list(range(count))
    shares = sum((slice_shares(amap) for result in results for amap in result.maps), np.zeros(count))[choice]
    return choice[int(np.argmax(shares))] if shares.any() else choice[len(choice) // 2]


def slice_shares(amap: AttributionMap) -> NDArray[np.float64]:
    """(slice,) float64: the share of the map's evidence that each slice holds; zeros when it has none.

    Evidence is the size of what is shown: of a map whose method ends in a ReLU, the positive part.
    """
    array = amap.array
    sizes = (np.maximum(plane, 0.0) if amap.one_sided else np.abs(plane) for plane in array)  # no copy of all of it
    sums = np.array([np.nansum(plane, dtype=np.float64) for plane in sizes])
    total = float(sums.sum())
    return sums / total if total > 0.0 else np.zeros(len(array))


def is_unexplained(comparison: Comparison, index: int) -> bool:
    """Whether no map reaches this slice: slice-wise networks are explained on some slices only."""
    maps = [amap for one in comparison.contenders if one.result is not None for amap in one.result.maps]
    return all(bool(np.isnan(amap.array[index]).all()) for amap in maps)
