"""From a network's raw outputs to class scores, probabilities and a prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import OutputSpec
from saliency_viewer.errors import UserError

_SMALLEST = 1e-12  # keeps log-odds of a probability of exactly 0 or 1 finite


def named(spec: OutputSpec, outputs: int) -> OutputSpec:
    """``spec`` with its classes, which are named "class 0", "class 1", ... where the card leaves them out.

    A network with one output tells two classes apart.
    """
    if spec.classes:
        return spec
    return replace(spec, classes=tuple(f"class {k}" for k in range(max(outputs, 2))))


def check_head(spec: OutputSpec, outputs: int) -> None:
    """Raise :class:`UserError` unless the classes fit ``outputs`` network outputs."""
    classes = len(spec.classes)
    if classes == outputs or (classes == 2 and outputs == 1):
        return
    plural = "class" if classes == 1 else "classes"
    raise UserError(
        f"The package lists {classes} {plural} but the network has {outputs} output{'s' if outputs != 1 else ''}.",
        "Correct output.classes (or the number of classes in model.arguments) in model.toml.",
    )


def to_logits(raw: NDArray[np.float64], spec: OutputSpec) -> NDArray[np.float64]:
    """(samples, outputs) raw outputs to (samples, classes) logits.

    One output z with two classes gives (-z, z). Of a network that ends in probabilities (activation
    "none") the log-odds log p - log(1 - p) are taken.
    """
    if spec.activation == "none":
        inside = np.clip(raw, _SMALLEST, 1 - _SMALLEST)
        raw = np.log(inside) - np.log1p(-inside)
    if raw.shape[1] == 1 and len(spec.classes) == 2:
        return np.concatenate([-raw, raw], axis=1)
    return raw


def to_probabilities(logits: NDArray[np.float64], spec: OutputSpec, outputs: int) -> NDArray[np.float64]:
    """(..., classes) logits to probabilities; ``outputs`` is the network's number of outputs."""
    if spec.activation == "softmax" and outputs > 1:
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))  # the sigmoid, without overflow


def predicted_class(probabilities: NDArray[np.float64], spec: OutputSpec, outputs: int) -> int:
    """The predicted class of (classes,) probabilities.

    With two exclusive classes the threshold is held against the second one's probability; else the most
    probable class is taken.
    """
    exclusive = spec.activation != "sigmoid" or outputs == 1
    if len(spec.classes) == 2 and exclusive and spec.threshold is not None:
        return int(probabilities[1] >= spec.threshold)
    return int(np.argmax(probabilities))


def threshold_warning(probabilities: NDArray[np.float64], spec: OutputSpec, outputs: int) -> str:
    """A sentence when a multi-label network finds no class above the threshold, else empty."""
    multi_label = spec.activation == "sigmoid" and outputs == len(spec.classes)
    if not multi_label or spec.threshold is None or probabilities.max() >= spec.threshold:
        return ""
    return f"No class reaches the threshold of {spec.threshold:g}; the most probable one is named."


def aggregate(
    slice_logits: NDArray[np.float64], spec: OutputSpec, outputs: int
) -> tuple[NDArray[np.float64], int | None]:
    """(slices, classes) logits to those of the volume, and the slice that decided (None for ``mean``).

    ``max`` with two exclusive classes takes the slice in which the second class is likeliest; with
    more, or independent, classes each class takes its own highest logit, and the predicted class's slice
    is the one that decided. Raises :class:`UserError` when "slice N" is not in the volume.
    """
    count, classes = slice_logits.shape
    if spec.aggregate == "mean":
        return slice_logits.mean(axis=0), None
    if spec.aggregate != "max":
        index = int(spec.aggregate.split()[1])
        if index >= count:
            raise UserError(
                f"This model decides by slice {index}, but the image has {count} slices.",
                "Choose another series, or another aggregate in model.toml.",
            )
        return slice_logits[index], index
    if classes == 2 and (spec.activation != "sigmoid" or outputs == 1):
        index = int(np.argmax(slice_logits[:, 1] - slice_logits[:, 0]))
        return slice_logits[index], index
    highest = slice_logits.max(axis=0)
    predicted = predicted_class(to_probabilities(highest, spec, outputs), spec, outputs)
    return highest, int(np.argmax(slice_logits[:, predicted]))
