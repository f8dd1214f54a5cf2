"""How many images, patients and labels there are, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence

from saliency_viewer.domain.training import TrainingCase, TrainingData

_NAMED = 8


def label_counts(data: TrainingData, chosen: Sequence[int] | None = None) -> tuple[int, ...]:
    """Images of each class, in the order of the classes; of the cases at ``chosen``, or of all."""
    counts = [0] * len(data.classes)
    for case in _chosen(data, chosen):
        counts[case.label] += 1
    return tuple(counts)


def class_weights(data: TrainingData, chosen: Sequence[int] | None = None, kind: str = "balanced") -> tuple[float, ...]:
    """What an image of each class weighs in the loss.

    ``balanced``: the number of images over the number of classes and over the images of the class, so that all
    classes weigh alike together and the mean over the images is 1. A class without an image weighs nothing.
    ``none``: 1 each.
    """
    counts = label_counts(data, chosen)
    if kind == "none":
        return (1.0,) * len(counts)
    present = sum(count > 0 for count in counts)
    return tuple(sum(counts) / (present * count) if count else 0.0 for count in counts)


def summary(data: TrainingData, chosen: Sequence[int] | None = None) -> str:
    """Such as ``4,000 images of 3,100 patients: 2,900 normal, 1,100 pneumonia``."""
    cases = _chosen(data, chosen)
    patients = len({case.patient for case in cases})
    counts = [
        f"{count:,} {name}" for count, name in zip(label_counts(data, chosen), data.classes, strict=True) if count
    ]
    if len(counts) > _NAMED:
        counts = [*counts[:_NAMED], f"and {len(counts) - _NAMED} classes more"]
    found = f"{_number(len(cases), 'image')} of {_number(patients, 'patient')}"
    return f"{found}: {', '.join(counts)}" if counts else found


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _chosen(data: TrainingData, chosen: Sequence[int] | None) -> Sequence[TrainingCase]:
    return data.cases if chosen is None else [data.cases[index] for index in chosen]
