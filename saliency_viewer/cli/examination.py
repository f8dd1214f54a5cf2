"""Saying what an examination of a model found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.cli.console import say

if TYPE_CHECKING:
    from saliency_viewer.domain import Prediction
    from saliency_viewer.models import LayerNode
    from saliency_viewer.pipeline import Examination

_LABELS = {"fault": "FAULT", "warning": "warning", "note": "note"}
_INDENT = " " * 9
_MOST_CLASSES = 6


def say_examination(found: Examination) -> None:
    """Facts, findings, the answer about the image, and the methods."""
    for fact in found.facts:
        say(fact)
    for finding in found.findings:
        say(f"{_LABELS[finding.level]:8s} {finding.message}")
        if finding.hint:
            say(f"{_INDENT}{finding.hint}")
    if found.prediction is not None:
        said = found.prediction
        order = sorted(range(len(said.classes)), key=lambda k: -said.probabilities[k])[:_MOST_CLASSES]
        say(f"image    {', '.join(f'{said.classes[k]} {said.probabilities[k]:.3f}' for k in order)}")
    if found.methods:
        say_methods(found)


def prediction_words(said: Prediction) -> str:
    """The predicted class with its probability, and why it may be the less likely one."""
    why = " (the less likely class: the model's threshold decides)" if said.by_threshold else ""
    return f"predicted {said.label}, probability {said.probability:.3f}{why}"


def say_methods(found: Examination) -> None:
    """Which methods apply, and why the others do not."""
    applied = [one.method for one in found.methods if one.applies]
    say(f"methods  {len(applied)} of {len(found.methods)} apply: {', '.join(applied) or 'none'}")
    for one in found.methods:
        if not one.applies:
            say(f"{_INDENT}{one.method}: {one.reason}")


def say_layers(tree: LayerNode) -> None:
    """The network's modules with their outputs; a star marks those whose maps can be read."""
    for node in tree.walk():
        if node.path:
            depth = node.path.count(".")
            shape = " x ".join(map(str, node.output))
            say(f"{'*' if node.has_maps else ' '} {'  ' * depth}{node.path}  {node.kind}  {shape}".rstrip())


def record(found: Examination) -> dict[str, Any]:
    """The same, ready for JSON."""
    said = found.prediction
    return {
        "good": found.good,
        "facts": list(found.facts),
        "findings": [{"level": f.level, "message": f.message, "hint": f.hint} for f in found.findings],
        "prediction": None if said is None else dict(zip(said.classes, map(float, said.probabilities), strict=True)),
        "methods": [{"id": m.method, "applies": m.applies, "reason": m.reason} for m in found.methods],
    }
