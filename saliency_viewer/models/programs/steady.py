"""Whether a program gives the same answer when it is asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.agreement import agree


class Unsteady(UserError):  # noqa: N818 - what is wrong with the program
    """A program does not answer the same twice."""


def require_steady(weights: Iterable[Tensor], answer: Callable[[], Any], first: Callable[[], Any] | None = None) -> Any:
    """What ``answer`` gives. Raises :class:`Unsteady` when it writes into the weights, or answers otherwise again.

    Parameters
    ----------
    weights:
        All tensors that must stay as they are.
    answer:
        Runs the program on always the same image.
    first:
        How it is run for the first time, when that is another way.
    """
    weights = list(weights)
    before = [tensor._version for tensor in weights]  # torch counts what is written, through views too
    found = (first or answer)()
    if [tensor._version for tensor in weights] != before:
        raise Unsteady(
            "The network changes its own weights with every image, so it would answer otherwise each time.",
            "Export it again after network.eval(), from a forward that writes into nothing of its own.",
        )
    if not agree(answer(), found):
        raise Unsteady(
            "The network gives another answer each time it is asked about the same image: it draws random numbers, or "
            "keeps something of the images before.",
            "Export it again after network.eval(), without random numbers.",
        )
    return found
