"""A network that a file of weights may belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from saliency_viewer.models.recognition.blueprints import blueprint
from saliency_viewer.models.recognition.shapes import Fit, Shapes, compare
from saliency_viewer.models.weights import without_prefixes


@dataclass(frozen=True)
class Candidate:
    """A guess at ``[model]`` and at what follows from it.

    Attributes
    ----------
    architecture, arguments:
        As in ``model.toml``.
    outputs:
        Of the network; 0 when unknown.
    dimensions, channels:
        Of its input: spatial axes and channels; 0 when unknown.
    size:
        Likely spatial size of the input; empty when unknown.
    fit:
        How the file's weights fit it; None for programs, which hold their weights.
    notes:
        What the file does not show, in sentences.
    activation:
        What the network ends with, ``softmax`` or ``sigmoid``; empty when unknown.
    channels_last:
        Whether it takes (samples, rows, columns, channels).
    """

    architecture: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 0
    dimensions: int = 0
    channels: int = 0
    size: tuple[int, ...] = ()
    fit: Fit | None = None
    notes: tuple[str, ...] = ()
    activation: str = ""
    channels_last: bool = False

    @property
    def complete(self) -> bool:
        """Whether the file's weights can be put into it as they are."""
        return self.fit is None or self.fit.complete

    @property
    def share(self) -> float:
        """Which part of the weights fits, 0..1."""
        return 1.0 if self.fit is None else self.fit.share


def fitted(guess: Candidate, shapes: Shapes) -> Candidate | None:
    """``guess`` with its fit to the file's weights, found by building the network; None when it cannot be built."""
    plan = blueprint(guess.architecture, guess.arguments)
    if plan is None:
        return None
    return replace(guess, fit=compare(without_prefixes(shapes, plan.shapes.keys()), plan.shapes))
