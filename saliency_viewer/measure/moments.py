"""Plain description of the raw values in a region, each beside the same of the whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.measure.evidence import RegionEvidence, pieces
from saliency_viewer.measure.measured import Measured, undefined

Describe = Callable[[NDArray[np.float32]], float]


def mean(region: RegionEvidence) -> Measured:
    """Mean of the signed values; held against Omega's."""
    return _described(region, _mean)


def mean_abs(region: RegionEvidence) -> Measured:
    """Mean of the absolute values, the strength of a map whatever its sign; held against Omega's."""
    if region.missing:
        return undefined(region.missing)
    whole = region.whole
    reference = (whole.positive_sum - whole.negative_sum) / whole.voxels
    return Measured((region.positive_sum - region.negative_sum) / region.voxels, reference, region.left_out)


def standard_deviation(region: RegionEvidence) -> Measured:
    """Standard deviation over all voxels of the region (divisor n); held against Omega's."""
    return _described(region, _deviation)


def minimum(region: RegionEvidence) -> Measured:
    """Smallest value; held against Omega's."""
    return _described(region, _lowest)


def maximum(region: RegionEvidence) -> Measured:
    """Highest value; held against Omega's."""
    return _described(region, _highest)


def median(region: RegionEvidence) -> Measured:
    """Middle value (mean of the two middle ones); held against Omega's."""
    if region.missing:
        return undefined(region.missing)
    return Measured(_middle(region.ordered), _middle(region.whole.ordered), region.left_out)


def positive_sum(region: RegionEvidence) -> Measured:
    """Sum of the positive part; held against Omega's."""
    if region.missing:
        return undefined(region.missing)
    return Measured(region.positive_sum, region.whole.positive_sum, region.left_out)


def negative_sum(region: RegionEvidence) -> Measured:
    """Sum of the negative part; held against Omega's."""
    if region.missing:
        return undefined(region.missing)
    return Measured(region.negative_sum, region.whole.negative_sum, region.left_out)


def _described(region: RegionEvidence, describe: Describe) -> Measured:
    if region.missing:
        return undefined(region.missing)
    return Measured(describe(region.values), region.whole.described(describe), region.left_out)


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean(dtype=np.float64))


def _lowest(values: NDArray[np.float32]) -> float:
    return float(values.min())


def _highest(values: NDArray[np.float32]) -> float:
    return float(values.max())


def _deviation(values: NDArray[np.float32]) -> float:
    # In two passes, since the mean can be far larger than the spread around it.
    centre = _mean(values)
    total = sum(float(np.square(piece - centre, dtype=np.float64).sum()) for piece in pieces(values))
    return float(np.sqrt(total / len(values)))


def _middle(ordered: NDArray[np.float32]) -> float:
    count = len(ordered)
    return (float(ordered[(count - 1) // 2]) + float(ordered[count // 2])) / 2
