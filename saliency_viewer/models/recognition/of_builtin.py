"""Our own small networks behind a state dict."""

from __future__ import annotations

from collections.abc import Iterator

from saliency_viewer.models.recognition.candidate import Candidate, fitted
from saliency_viewer.models.recognition.shapes import Shapes, count_blocks
from saliency_viewer.models.weights import without_prefixes

_MARKS = ("features.0.0.weight", "head.weight")


def candidates(shapes: Shapes) -> Iterator[Candidate]:
    """The one network that has these names, when they are ours."""
    file = without_prefixes(shapes, _MARKS)
    first, head = (file.get(mark, ()) for mark in _MARKS)
    dimensions = len(first) - 2
    if dimensions not in (2, 3) or len(head) != 2:
        return
    arguments = {
        "in_channels": first[1],
        "num_classes": head[0],
        "width": first[0],
        "downsamplings": (count_blocks(file, "features.") - 1) // 2,
    }
    size = (224, 224) if dimensions == 2 else ()
    guess = Candidate(f"builtin:small-cnn-{dimensions}d", arguments, head[0], dimensions, first[1], size)
    found = fitted(guess, shapes)
    if found is not None:
        yield found
