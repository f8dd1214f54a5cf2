"""An operator whose value is its own and whose backward is ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from saliency_viewer.attribution.operators import Call, store

# Takes the relevance of the output and the saved inputs; gives one relevance for each input.
Share = Callable[..., tuple[Tensor | None, ...]]

EPSILON = 1e-6


class RuleFunction(Function):
    """Marks our own functions in the graph, so that foreign ones can be told apart."""


# A value that came in as a tensor argument would go out as a view of it, which autograd forbids to change in place,
# and networks do change activations in place. So values travel in a list.
class _Shared(RuleFunction):
    @staticmethod
    def forward(ctx: Any, value: list[Tensor], share: Share, *inputs: Tensor) -> Tensor:
        ctx.share = share
        # Saving through autograd notices when an input is overwritten before the backward pass.
        ctx.save_for_backward(*inputs)
        return value[0]

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *ctx.share(relevance, *ctx.saved_tensors))


def shared(value: Tensor, share: Share, *inputs: Tensor) -> Tensor:
    """``value`` as a node whose backward is ``share(relevance, *inputs)``."""
    result: Tensor = _Shared.apply([value], share, *inputs)
    return result


class _Joined(RuleFunction):
    @staticmethod
    def forward(ctx: Any, value: list[Tensor], share: Share, *inputs: Tensor) -> Tensor:
        ctx.share = share
        if value[0] is inputs[0]:
            ctx.mark_dirty(inputs[0])
            return inputs[0]
        return value[0]

    @staticmethod
    def backward(ctx: Any, relevance: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *ctx.share(relevance))


def rewrites(call: Call) -> bool:
    """Whether a call overwrites its first argument where our functions may do so: neither a view nor a leaf."""
    return call.in_place and not call.input._is_view() and call.input.grad_fn is not None


def joined(call: Call, value: Tensor, share: Share, *inputs: Tensor) -> Tensor:
    """``value`` as the call's result, with ``share(relevance)`` as its backward; the inputs' values are not kept."""
    if rewrites(call) and call.input is inputs[0]:
        # Written before the tape is told: autograd's copy would send zeros back to the target's old values.
        if value is not inputs[0]:
            with torch.no_grad():
                inputs[0].copy_(value)
        target: Tensor = _Joined.apply([inputs[0]], share, *inputs)
        return target
    result: Tensor = _Joined.apply([value], share, *inputs)
    return store(call, result)


def stabilised(values: Tensor, epsilon: float = EPSILON) -> Tensor:
    """Values moved away from zero by epsilon, in their own direction."""
    return values + torch.copysign(values.new_tensor(epsilon), values)


class _Identity(RuleFunction):
    @staticmethod
    def forward(_ctx: Any, _inputs: Tensor, value: list[Tensor]) -> Tensor:
        return value[0]

    @staticmethod
    def backward(_ctx: Any, relevance: Tensor) -> tuple[Tensor, None]:
        return relevance, None


def passed_on(value: Tensor, inputs: Tensor) -> Tensor:
    """Identity rule: the input receives what the output got; shapes are equal."""
    result: Tensor = _Identity.apply(inputs, [value])
    return result


def identity(call: Call, signal: Tensor) -> Tensor:
    """Run an operator whose ``signal``, one of its inputs, receives what the output got."""
    rewritten = call.in_place and call.input is signal
    with torch.no_grad():
        if rewritten:
            # Values change and the tape does not: what made the old values gets the relevance of the new ones.
            call.run()
            return signal
        value: Tensor = call.run_on_copy()
    result: Tensor = store(call, passed_on(value, signal))
    return result


def fit(relevance: Tensor, shape: torch.Size) -> Tensor:
    """Sum a relevance over the axes along which its owner of ``shape`` was broadcast."""
    extra = relevance.ndim - len(shape)
    summed = relevance.sum(tuple(range(extra))) if extra else relevance
    axes = tuple(k for k, size in enumerate(shape) if size == 1 and summed.shape[k] != 1)
    return summed.sum(axes, keepdim=True) if axes else summed
