"""What a trained network is worth: on the validation cases its threshold, on the untouched test cases its figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.training.intervals import METHOD, auc_interval
from saliency_viewer.training.metrics import (
    Labels,
    Numbers,
    Reliability,
    brier,
    class_aucs,
    confusion,
    log_loss,
    macro_auc,
    reliability,
    youden_threshold,
)
from saliency_viewer.training.predictions import softmax


@dataclass(frozen=True, eq=False)
class Answers:
    """What the network said about a split: (cases, classes) logits, (cases,) true classes, and whose image it is."""

    logits: Numbers = field(repr=False)
    labels: Labels = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Verdict:
    """The figures of one split.

    ``areas`` and ``intervals`` (95 %, by patient) are one-versus-rest, one for each class; of two classes, the
    second one's. ``matrix`` counts (true, predicted) at the threshold; NaN stands for what is undefined.
    """

    classes: tuple[str, ...]
    probabilities: Numbers = field(repr=False)
    labels: Labels = field(repr=False)
    patients: int
    area: float
    areas: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    matrix: NDArray[np.int64]
    calibration_error: float
    brier: float
    log_loss: float

    @property
    def scored(self) -> tuple[int, ...]:
        """Classes that have a curve of their own: the second of two, else all."""
        return (1,) if len(self.classes) == 2 else tuple(range(len(self.classes)))

    @property
    def accuracy(self) -> float:
        """Share of cases whose class was found."""
        return _share(np.trace(self.matrix), self.matrix.sum())

    def sensitivity(self, index: int) -> float:
        """Share of the class's cases that were found."""
        return _share(self.matrix[index, index], self.matrix[index].sum())

    def specificity(self, index: int) -> float:
        """Share of the other cases that were not taken for the class."""
        others = self.matrix.sum() - self.matrix[index].sum()
        return _share(others - self.matrix[:, index].sum() + self.matrix[index, index], others)

    def reliability(self, index: int) -> Reliability:
        """Calibration of one class's probabilities."""
        return reliability(self.probabilities[:, index], self.labels == index)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; None for what is undefined."""
        return {
            "cases": len(self.labels),
            "patients": self.patients,
            "cases_by_class": {name: int((self.labels == k).sum()) for k, name in enumerate(self.classes)},
            "auc": _known(self.area),
            "by_class": {
                self.classes[k]: {
                    "auc": _known(area),
                    "auc_interval_95": [_known(end) for end in interval],
                    "sensitivity": _known(self.sensitivity(k)),
                    "specificity": _known(self.specificity(k)),
                }
                for k, area, interval in zip(self.scored, self.areas, self.intervals, strict=True)
            },
            "accuracy": _known(self.accuracy),
            "expected_calibration_error": _known(self.calibration_error),
            "brier": _known(self.brier),
            "log_loss": _known(self.log_loss),
            "confusion": {"rows": "true", "classes": list(self.classes), "counts": self.matrix.tolist()},
        }


@dataclass(frozen=True, eq=False)
class Judgement:
    """All that is known of a trained network before it is explained.

    ``threshold`` is None with more than two classes. ``temperature`` is what the validation cases asked for; ``folded``
    whether the weights were divided by it. ``calibration`` has the figures of the judged split without and with it.
    """

    threshold: float | None
    temperature: float
    folded: bool
    validation: Verdict
    test: Verdict | None
    calibration: dict[str, dict[str, float]]

    @property
    def judged(self) -> Verdict:
        """The test cases, or without them the validation cases."""
        return self.test or self.validation

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "threshold": self.threshold,
            "threshold_rule": "largest sensitivity + specificity - 1 on the validation cases (Youden)",
            "temperature": {"fitted_on_validation": self.temperature, "in_the_weights": self.folded},
            "calibration": self.calibration,
            "auc_interval": METHOD,
            "validation": self.validation.to_dict(),
            "test": self.test.to_dict() if self.test else None,
        }


def judge(
    classes: tuple[str, ...],
    validation: Answers,
    test: Answers | None,
    temperature: float = 1.0,
    folded: bool = False,
) -> Judgement:
    """Find the threshold on the validation cases and judge both splits, all as the package will answer.

    ``folded`` says that the weights, and so the answers' logits, were divided by ``temperature`` already. Nothing here
    is chosen by looking at the test cases.
    """
    likely = softmax(validation.logits)[:, 1]
    threshold = youden_threshold(likely, validation.labels == 1) if len(classes) == 2 else None
    last = test or validation
    calibration = {
        "without_temperature": _calibration(last, temperature if folded else 1.0),
        "with_temperature": _calibration(last, 1.0 if folded else 1.0 / temperature),
    }
    return Judgement(
        threshold,
        temperature,
        folded,
        verdict(classes, validation, threshold),
        verdict(classes, test, threshold) if test else None,
        calibration,
    )


def verdict(classes: tuple[str, ...], answers: Answers, threshold: float | None) -> Verdict:
    """The figures of one split."""
    probabilities, labels = softmax(answers.logits), answers.labels
    areas = class_aucs(probabilities, labels)
    scored = (1,) if len(classes) == 2 else tuple(range(len(classes)))
    return Verdict(
        classes,
        probabilities,
        labels,
        len(set(answers.patients)),
        macro_auc(probabilities, labels),
        tuple(float(areas[k]) for k in scored),
        tuple(auc_interval(probabilities[:, k], labels == k, answers.patients) for k in scored),
        confusion(_predicted(probabilities, threshold), labels, len(classes)),
        calibration_error(probabilities, labels),
        brier(probabilities, labels),
        log_loss(probabilities, labels),
    )


def calibration_error(probabilities: Numbers, labels: Labels) -> float:
    """Expected calibration error of the second of two classes; of more, of the most probable one."""
    if probabilities.shape[1] == 2:
        return reliability(probabilities[:, 1], labels == 1).error
    return reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels).error


def _calibration(answers: Answers, factor: float) -> dict[str, float]:
    probabilities = softmax(answers.logits * factor)
    return {
        "expected_calibration_error": calibration_error(probabilities, answers.labels),
        "brier": brier(probabilities, answers.labels),
        "log_loss": log_loss(probabilities, answers.labels),
    }


def _predicted(probabilities: Numbers, threshold: float | None) -> Labels:
    """As a package with this threshold predicts."""
    if threshold is None:
        return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
    return (probabilities[:, 1] >= threshold).astype(np.int64)


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def answers_for(logits: Numbers, labels: Labels, patients: Sequence[str], cases: Sequence[int]) -> Answers:
    """Answers of a split out of the whole set's labels and patients."""
    chosen = list(cases)
    return Answers(logits, labels[chosen], tuple(patients[case] for case in chosen))
