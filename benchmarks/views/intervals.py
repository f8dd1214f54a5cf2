"""Means, differences and areas under the ROC curve with intervals over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.training.intervals import auc_interval
from saliency_viewer.training.metrics import auc

_RUNS = 4000
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def area(scores: Values, positive: NDArray[np.bool_], patients: Sequence[str]) -> Estimate:
    """Area under the ROC curve, with the score interval that trained packages report."""
    return Estimate(auc(scores, positive), *auc_interval(scores, positive, patients))


def mean_over_patients(values: Sequence[float], patients: Sequence[str], seed: int = 0) -> Estimate:
    """The mean over patients of each one's mean, when patients are drawn anew; undefined values are left out."""
    given = np.asarray(values, dtype=np.float64)
    names = np.asarray(patients)
    known = np.isfinite(given)
    each = {name: float(given[known & (names == name)].mean()) for name in np.unique(names[known])}
    means = np.array(list(each.values()))
    drawn = means[np.random.default_rng(seed).integers(0, len(means), (_RUNS, len(means)))].mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(means.mean()), float(low), float(high))
