"""A network's answers for prepared cases, in evaluation mode and full precision, as the finished package gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from saliency_viewer.models.forward import run_network
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.batches import in_order, loaded
from saliency_viewer.training.inputs import Inputs
from saliency_viewer.training.metrics import Numbers

if TYPE_CHECKING:
    from torch import nn


def logits_of(
    network: nn.Module, inputs: Inputs, cases: Sequence[int], batch: int, device: str, context: RunContext
) -> Numbers:
    """(cases, classes) float64 logits. The network is left in evaluation mode.

    Raises :class:`UserError` when not even one case fits into memory, :class:`Cancelled` within an operator.
    """
    network.eval()
    found = [run_network(network, values.to(device), context) for _, values in loaded(inputs, in_order(cases, batch))]
    return np.concatenate(found)


def softmax(logits: Numbers) -> Numbers:
    """(cases, classes) probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
