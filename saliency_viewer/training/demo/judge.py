"""How good a package is on phantoms it has never seen: accuracy, and whether its maps find the right side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from saliency_viewer.domain import ScoreTarget
from saliency_viewer.models import Classifier, Prepared
from saliency_viewer.phantoms import Phantom

Explain = Callable[[Classifier, Prepared, ScoreTarget], dict[str, Tensor]]


@dataclass
class Verdict:
    """Counts over phantoms; ``right_side`` counts, for each method, among ``explained`` cases."""

    cases: int = 0
    correct: int = 0
    explained: int = 0
    right_side: dict[str, int] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of cases whose class was found."""
        return self.correct / max(self.cases, 1)

    def localisation(self, method: str) -> float:
        """Share of correctly classified lesion cases whose true side has the larger positive mass."""
        return self.right_side.get(method, 0) / max(self.explained, 1)


def signed_maps(classifier: Classifier, prepared: Prepared, target: ScoreTarget) -> dict[str, Tensor]:
    """Grad-CAM and integrated gradients, signed, of the card's layer and baseline."""
    from saliency_viewer.attribution import explain

    results = explain(
        classifier.network,
        prepared.inputs,
        ["grad-cam", "integrated-gradients"],
        target,
        layer=classifier.card.explain.layer,
        baseline=classifier.baseline(prepared),
        parameters={"integrated-gradients": {"steps": 24}},
    )
    return {name: result.signed for name, result in results.items()}


def side_masses(amap: NDArray[np.float32], phantom: Phantom) -> dict[str, float]:
    """Positive mass in either lung, or in either half of the head."""
    positive = np.where(np.isfinite(amap), np.maximum(amap, 0), 0)
    masses = {}
    for side in ("left", "right"):
        if f"{side} lung" in phantom.regions.names:
            masses[side] = float(positive[phantom.regions.mask(f"{side} lung") > 0].sum())
        else:
            columns = np.arange(amap.shape[2])
            x = phantom.volume.geometry.affine[0, 2] * columns + phantom.volume.geometry.affine[0, 3]
            masses[side] = float(positive[:, :, x > 0 if side == "left" else x < 0].sum())
    return masses


def judge(classifier: Classifier, phantoms: Iterable[Phantom], explain: Explain | None = None) -> Verdict:
    """Predict every phantom and, with ``explain``, map the correctly classified ones that have a finding."""
    verdict = Verdict()
    for phantom in phantoms:
        prediction = classifier.predict(phantom.volume)
        verdict.cases += 1
        if prediction.label != phantom.label:
            continue
        verdict.correct += 1
        if phantom.side is None or explain is None:
            continue
        verdict.explained += 1
        prepared = classifier.prepare(phantom.volume)
        maps = explain(classifier, prepared, classifier.target(phantom.label, prediction))
        for method, values in maps.items():
            masses = side_masses(classifier.project(values, prepared), phantom)
            other = masses["left" if phantom.side == "right" else "right"]
            found = int(masses[phantom.side] > other)
            verdict.right_side[method] = verdict.right_side.get(method, 0) + found
    return verdict
