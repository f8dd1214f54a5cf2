"""Confidence intervals of an area under the ROC curve, with the patient as the unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.training.metrics import Flags, Numbers, auc

_NOTHING = 1e-12
METHOD = "score interval (Newcombe 2006, method 5) for as many patients as the images stand for"


def auc_interval(scores: Numbers, positive: Flags, patients: Sequence[str], level: float = 0.95) -> tuple[float, float]:
    """Score interval of the area, which says something also where the classes are parted without a fault.

    Resampling cannot: where no case lies on the wrong side, none does in any sample, and its interval is 1 to 1. With
    25 patients of each kind and a true area of 0.99 it holds that area in 74 % of trials instead of 95 %, this one in
    98 %.

    Parameters
    ----------
    scores, positive, patients:
        (cases,) each; all of a patient's cases of a kind count as one, as if they said the same.
    level:
        Confidence, 0 to 1.

    Returns
    -------
    The two ends; NaN when there are no positive or no negative cases.

    Source: Newcombe, Statistics in Medicine 25 (2006) 559, method 5; effective numbers after Kish 1965.
    """
    area = auc(scores, positive)
    if not np.isfinite(area):
        return float("nan"), float("nan")
    names = np.asarray(patients)
    sizes = _effective(names[positive]), _effective(names[~positive])
    return 1.0 - _upper_end(1.0 - area, sizes, level), _upper_end(area, sizes, level)


def _effective(names: NDArray[np.str_]) -> float:
    """How many patients with one image each weigh as much as these images do."""
    images = np.unique(names, return_counts=True)[1].astype(np.float64)
    return float(images.sum() ** 2 / (images**2).sum())


def _upper_end(area: float, sizes: tuple[float, float], level: float) -> float:
    """The true area from which the found one lies as many standard deviations away as the level allows."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    if area > 1.0 - _NOTHING:
        return 1.0
    allowed = float(norm.ppf((1 + level) / 2)) ** 2

    def too_far(true: float) -> float:
        return (true - area) ** 2 - allowed * _variance(true, sizes)

    # The distance is 0 where the found area stands, the variance at both ends of the scale.
    return float(brentq(too_far, max(area, _NOTHING), 1.0 - _NOTHING))


def _variance(area: float, sizes: tuple[float, float]) -> float:
    """Of a found area, when the true one is ``area`` (Hanley and McNeil 1982, with the mean of both numbers)."""
    first, second = sizes
    others = max((first + second) / 2 - 1, 0.0)
    odds = (1 - area) / (2 - area) + area / (1 + area)
    return area * (1 - area) * (1 + others * odds) / (first * second)
