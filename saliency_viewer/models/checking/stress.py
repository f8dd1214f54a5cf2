"""Driving a network to extremes, which tells probabilities from logits that happen to be small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.forward import input_shape, run_network
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from torch import Tensor, nn

_STRENGTHS = (-300.0, -30.0, 30.0, 300.0)
_FACTORS = (-1000.0, 1000.0)  # of what the last layer gives: behind it a sigmoid stays within 0..1, and nothing else


def stressed_answers(classifier: Classifier, context: RunContext) -> NDArray[np.float64]:
    """(answers, outputs): to strong noise and strong constant inputs, and to noise with the logits multiplied.

    Normalisation inside a network can keep its logits small whatever it is shown, so that inputs alone prove little;
    logits multiplied by a large number of either sign leave 0..1 unless something holds them there. Answers that are
    not numbers are left out: an extreme input may overflow a good network.
    """
    import torch

    generator = torch.Generator().manual_seed(1)
    shape = input_shape(classifier.card.input)
    noise = torch.randn(shape, generator=generator)
    strong = [factor * one for factor in _STRENGTHS for one in (noise, torch.ones(shape))]
    answers = [run_network(classifier.network, one.to(classifier.device), context) for one in strong]
    usual = noise.to(classifier.device)
    last = _last_weighted(classifier.network, usual, context)
    if last is not None:
        for factor in _FACTORS:
            with _multiplied(last, factor):
                answers.append(run_network(classifier.network, usual, context))
    together = np.concatenate(answers)
    return np.asarray(together[np.isfinite(together).all(axis=1)])


def _last_weighted(network: nn.Module, inputs: Tensor, context: RunContext) -> nn.Module | None:
    """The module with weights of its own that is the last to run; None where all weights are used by hand."""
    order: list[nn.Module] = []

    def note(module: nn.Module, _inputs: Any, _output: Any) -> None:
        order.append(module)

    weighted = [one for one in network.modules() if one is not network and list(one.parameters(recurse=False))]
    hooks = [one.register_forward_hook(note) for one in weighted]
    try:
        run_network(network, inputs, context)
    finally:
        for hook in hooks:
            hook.remove()
    return order[-1] if order else None


@contextmanager
def _multiplied(module: nn.Module, factor: float) -> Iterator[None]:
    import torch

    def multiply(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return factor * output if isinstance(output, torch.Tensor) else output

    hook = module.register_forward_hook(multiply)
    try:
        yield
    finally:
        hook.remove()
