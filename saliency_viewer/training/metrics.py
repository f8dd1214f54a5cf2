"""How good probabilities are: ranking, calibration, confusion. Plain NumPy on a few thousand numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Labels = NDArray[np.int64]

_BINS = 10
_SMALLEST = 1e-12  # keeps the logarithm of a probability of 0 finite


@dataclass(frozen=True, eq=False)
class Roc:
    """The ROC curve: rising (n,) false and true positive rates, and the threshold that gives each point."""

    false_positives: Numbers
    true_positives: Numbers
    thresholds: Numbers


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of equal width over the predicted probability: its mean, the share that is true, and the cases."""

    predicted: Numbers
    observed: Numbers
    cases: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of both, weighted by cases (Naeini et al. 2015)."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.cases))


def roc(scores: Numbers, positive: Flags) -> Roc:
    """All points at which ``score >= threshold`` changes, from nobody to everybody; equal scores enter together."""
    order = np.argsort(-scores, kind="stable")
    scores, positive = scores[order], positive[order]
    last = np.flatnonzero(np.r_[np.diff(scores) != 0, True])  # of each run of equal scores
    true, false = np.cumsum(positive)[last], np.cumsum(~positive)[last]
    return Roc(
        np.r_[0.0, false / max(int(false[-1]), 1)],
        np.r_[0.0, true / max(int(true[-1]), 1)],
        np.r_[np.inf, scores[last]],
    )


def auc(scores: Numbers, positive: Flags) -> float:
    """Probability that a positive case scores above a negative one, ties by half; NaN without one of the two."""
    if positive.all() or not positive.any():
        return float("nan")
    curve = roc(scores, positive)
    heights = (curve.true_positives[1:] + curve.true_positives[:-1]) / 2
    return float((np.diff(curve.false_positives) * heights).sum())


def class_aucs(probabilities: Numbers, labels: Labels) -> Numbers:
    """(classes,) one-versus-rest areas of (cases, classes) probabilities; NaN for a class without cases."""
    return np.array([auc(column, labels == k) for k, column in enumerate(probabilities.T)])


def macro_auc(probabilities: Numbers, labels: Labels) -> float:
    """The mean of :func:`class_aucs`; of two classes both have the same. NaN when no class has cases and others."""
    if probabilities.shape[1] == 2:
        return auc(probabilities[:, 1], labels == 1)
    areas = class_aucs(probabilities, labels)
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else float("nan")


def reliability(probabilities: Numbers, true: Flags, bins: int = _BINS) -> Reliability:
    """Calibration of (cases,) probabilities of what is ``true``; bins without cases are left out."""
    place = np.clip((probabilities * bins).astype(np.int64), 0, bins - 1)
    cases = np.bincount(place, minlength=bins)
    filled = cases > 0
    predicted = np.bincount(place, probabilities, bins)[filled] / cases[filled]
    observed = np.bincount(place, true.astype(np.float64), bins)[filled] / cases[filled]
    return Reliability(predicted, observed, cases[filled])


def brier(probabilities: Numbers, labels: Labels) -> float:
    """Mean squared distance to the truth: of the second of two classes, summed over more (Brier 1950)."""
    if probabilities.shape[1] == 2:
        return float(np.mean((probabilities[:, 1] - (labels == 1)) ** 2))
    truth = np.eye(probabilities.shape[1])[labels]
    return float(np.mean(((probabilities - truth) ** 2).sum(axis=1)))


def log_loss(probabilities: Numbers, labels: Labels) -> float:
    """Mean negative logarithm of the true class's probability."""
    true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, _SMALLEST)).mean())


def confusion(predicted: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts; rows are the true classes."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def youden_threshold(scores: Numbers, positive: Flags) -> float:
    """The threshold with the largest sensitivity + specificity - 1 (Youden 1950), between two scores.

    It lies in the middle between the lowest score that counts as positive and the next lower one, so that it does not
    hang on the last digit of one case. Of equally good ones the one nearest 0.5 is taken. ``scores`` are
    probabilities; the result lies inside 0..1.
    """
    curve = roc(scores, positive)
    gain = (curve.true_positives - curve.false_positives)[1:]
    below = np.r_[curve.thresholds[2:], 0.0]
    middle = (curve.thresholds[1:] + below) / 2
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    chosen = float(middle[best[np.argmin(np.abs(middle[best] - 0.5))]])
    return min(max(chosen, 1e-6), 1 - 1e-6)
