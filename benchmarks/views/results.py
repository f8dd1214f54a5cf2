"""Everything that is measured, as numbers: how well the views are told apart, by what, and where the evidence lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.views.evidence import METHODS, PLACES, Share, of
from benchmarks.views.intervals import Estimate, Values, area, mean_over_patients
from benchmarks.views.pictures import Picture

AS_IT_IS = "as it is"


@dataclass(eq=False)
class Answers:
    """P(AP supine) of every picture after every change, one for each training."""

    given: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # change -> file -> probabilities

    def add(self, change: str, file: str, probability: float) -> None:
        """Note one answer."""
        self.given.setdefault(change, {}).setdefault(file, []).append(probability)

    def mean(self, change: str, pictures: Sequence[Picture]) -> Values:
        """The mean over trainings, in the order of the pictures."""
        return np.array([np.mean(self.given[change][one.file]) for one in pictures])


def change_row(answers: Answers, change: str, pictures: Sequence[Picture]) -> dict[str, Any]:
    """What a change does: AUC, the change of the true view's probability, and how many predictions turn."""
    ap = np.array([one.view == 1 for one in pictures])
    patients = [one.patient for one in pictures]
    before, after = answers.mean(AS_IT_IS, pictures), answers.mean(change, pictures)
    difference = np.where(ap, after - before, before - after)
    return {
        "change": change,
        "auc": asdict(area(after, ap, patients)),
        "true_view": asdict(mean_over_patients(difference, patients)),
        "turned_to_ap": int(((before <= 0.5) & (after > 0.5)).sum()),
        "turned_to_pa": int(((before > 0.5) & (after <= 0.5)).sum()),
        "right": int(((after > 0.5) == ap).sum()),
        "pictures": len(pictures),
    }


def share_rows(found: Sequence[Share]) -> list[dict[str, Any]]:
    """For each method and place: the share of the evidence, trained and untrained, beside the share of the area."""
    return [row for method in METHODS for place in PLACES if (row := _share_row(found, method, place))]


def _share_row(found: Sequence[Share], method: str, place: str) -> dict[str, Any] | None:
    trained = of(found, method=method, place=place, network="trained")
    fresh = of(found, method=method, place=place, network="untrained")
    if not trained:
        return None
    return {
        "method": method,
        "place": place,
        "pictures": len({one.file for one in trained}),
        "area": asdict(_mean([(one.patient, one.area) for one in trained])),
        "trained": asdict(_mean([(one.patient, one.mass) for one in trained])),
        "untrained": asdict(_mean([(one.patient, one.mass) for one in fresh])),
        "trained_over_area": asdict(_mean([(one.patient, one.mass - one.area) for one in trained])),
        "trained_over_untrained": asdict(_mean(_paired(trained, fresh))),
    }


def _paired(trained: Sequence[Share], fresh: Sequence[Share]) -> list[tuple[str, float]]:
    """For each picture: the trained networks' mean share less the untrained ones'."""
    pairs = []
    for file in sorted({one.file for one in trained}):
        mine, theirs = of(trained, file=file), of(fresh, file=file)
        if theirs:
            pairs.append((mine[0].patient, float(np.mean([m.mass for m in mine]) - np.mean([t.mass for t in theirs]))))
    return pairs


def _mean(pairs: Sequence[tuple[str, float]]) -> Estimate:
    return mean_over_patients([value for _, value in pairs], [patient for patient, _ in pairs])


def grey_row(name: str, values: Values, pictures: Sequence[Picture]) -> dict[str, Any]:
    """How well a single number tells the views apart."""
    ap = np.array([one.view == 1 for one in pictures])
    found = area(values, ap, [one.patient for one in pictures])
    return {"number": name, "auc": asdict(found), "ap": float(values[ap].mean()), "pa": float(values[~ap].mean())}
