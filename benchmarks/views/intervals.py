"""Means, differences and areas under the ROC curve with intervals over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

_RUNS = 4000
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % percentile interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def area(scores: Values, positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; ties count half. NaN without both classes."""
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))


def over_patients(statistic: Callable[[NDArray[np.intp]], float], patients: Sequence[str], seed: int = 0) -> Estimate:
    """``statistic`` of all rows, and its interval when patients are drawn anew with all their rows."""
    names, rows = np.unique(list(patients), return_inverse=True)
    of = [np.flatnonzero(rows == k) for k in range(len(names))]
    random = np.random.default_rng(seed)
    drawn = [statistic(np.concatenate([of[k] for k in random.integers(0, len(of), len(of))])) for _ in range(_RUNS)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(statistic(np.concatenate(of)), float(low), float(high))


def mean_over_patients(values: Sequence[float], patients: Sequence[str]) -> Estimate:
    """The mean over patients of each one's mean; undefined values are left out."""
    given = np.asarray(values, dtype=np.float64)
    names = np.asarray(patients)
    known = np.isfinite(given)
    each = {name: float(given[known & (names == name)].mean()) for name in np.unique(names[known])}
    means = np.array(list(each.values()))
    return over_patients(lambda rows: float(means[rows].mean()), list(each))
