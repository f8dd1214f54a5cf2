"""Taking a network's own last softmax or sigmoid off, so that what is explained is a logit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.domain import OutputSpec
from saliency_viewer.errors import UserError

if TYPE_CHECKING:
    from torch import nn


def give_logits(network: nn.Module, spec: OutputSpec) -> None:
    """Let a network that knows its last activation answer with logits, when the card names that activation.

    With ``none`` the network keeps it and answers with probabilities. Networks without the attribute ``ending``
    (``softmax``, ``sigmoid`` or empty) are taken to give logits. Raises :class:`UserError` when the card names the
    other activation; with one output the two mean the same.
    """
    ending = getattr(network, "ending", "")
    if not ending or spec.activation == "none":
        return
    if ending != spec.activation and not (ending == "sigmoid" and getattr(network, "outputs", 0) == 1):
        raise UserError(
            f"model.toml: output.activation is {spec.activation}, but the network ends with a {ending}.",
            f'Write activation = "{ending}", or "none" to explain the probabilities that the network gives.',
        )
    take_off: Any = network.end_in_logits  # comes with the ending
    take_off()
