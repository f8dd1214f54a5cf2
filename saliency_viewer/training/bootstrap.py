"""Confidence intervals of an area under the ROC curve, with the patient as the unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.runtime.seeds import generator
from saliency_viewer.training.metrics import Flags, Numbers, auc

DRAWS = 2000
_FEWEST = 0.5  # of the draws that must hold both kinds of cases
_AT_ONCE = 100


def auc_interval(
    scores: Numbers, positive: Flags, patients: Sequence[str], seed: int, draws: int = DRAWS, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval over samples of patients, drawn with replacement; all images of a patient come along.

    NaN when most samples lack positive or negative cases, so that nothing can be said.
    """
    unknown = (float("nan"), float("nan"))
    if not np.isfinite(auc(scores, positive)):
        return unknown
    random = generator(seed, "bootstrap")
    _, person = np.unique(np.asarray(patients), return_inverse=True)
    people = int(person.max()) + 1
    found: list[NDArray[np.float64]] = []
    for start in range(0, draws, _AT_ONCE):
        count = min(_AT_ONCE, draws - start)
        drawn = random.multinomial(people, np.full(people, 1 / people), count)
        found.append(_weighted_aucs(scores, positive, drawn[:, person].astype(np.float64)))
    areas = np.concatenate(found)
    areas = areas[np.isfinite(areas)]
    if len(areas) < _FEWEST * draws:
        return unknown
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _weighted_aucs(scores: Numbers, positive: Flags, weights: Numbers) -> Numbers:
    """(draws,) areas with each case counted ``weights`` (draws, cases) times; ties count by half."""
    _, place = np.unique(scores, return_inverse=True)
    levels = int(place.max()) + 1
    up, down = np.zeros((len(weights), levels)), np.zeros((len(weights), levels))
    rows = np.arange(len(weights))[:, None]
    np.add.at(up, (rows, place[positive][None, :]), weights[:, positive])
    np.add.at(down, (rows, place[~positive][None, :]), weights[:, ~positive])
    below = np.cumsum(down, axis=1) - down / 2
    pairs = up.sum(axis=1) * down.sum(axis=1)
    with np.errstate(invalid="ignore"):  # a draw without positive or negative cases has no area
        return np.asarray((up * below).sum(axis=1) / np.where(pairs > 0, pairs, np.nan))
