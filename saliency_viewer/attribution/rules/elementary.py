"""Relevance through operators without weights: averages, sums, products."""

from __future__ import annotations

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call, on_tape
from saliency_viewer.attribution.rules.gates import broadcasts
from saliency_viewer.attribution.rules.tape import fit, identity, joined, stabilised
from saliency_viewer.attribution.undefined import NotDefinedHere

_HINT = "Choose a gradient method such as integrated gradients."


def no_rule(what: str) -> NotDefinedHere:
    """The refusal of a network with an operator that relevance cannot be shared through."""
    return NotDefinedHere(f"Layer-wise relevance is not defined for this network: no rule for {what}.", _HINT)


# The rules below never use ``value`` in the backward pass: a later in-place operator may have overwritten it.
def average(call: Call) -> Tensor:
    """Norm rule: in proportion to each value's part of the average."""
    with torch.no_grad():
        value, inputs = call.run_on_copy(), call.input.detach().clone()  # an average keeps nothing, as a sum

    def share(relevance: Tensor) -> tuple[Tensor]:
        with torch.enable_grad():
            leaf = inputs.detach().requires_grad_()
            again = call.function(leaf, *call.args[1:], **call.options)
            (gradient,) = torch.autograd.grad(again, leaf, relevance / stabilised(again.detach()))
        return (inputs * gradient,)

    return joined(call, value, share, call.input)


def total(call: Call) -> Tensor:
    """Norm rule: in proportion to each summand. A constant summand takes nothing: it is no part of the image."""
    first, second = call.input, call.argument(1, "other")
    if not (on_tape(first) and on_tape(second)):
        return only_signal(call)
    if call.name == "rsub":
        return total(Call(torch.sub, (second, first), {}))
    scale = float(call.kwargs.get("alpha", 1)) * (-1.0 if call.name == "sub" else 1.0)
    # Parts are taken now: unlike most operators a sum keeps nothing, so networks may overwrite its summands.
    with torch.no_grad():
        value = first + second if scale == 1.0 else call.run_on_copy()
        whole = stabilised(value)
        parts = first / whole, torch.div(second, whole, out=whole) if second.shape == whole.shape else second / whole
        if scale != 1.0:
            parts[1].mul_(scale)
    shapes = first.shape, second.shape

    def share(relevance: Tensor) -> tuple[Tensor, ...]:
        return tuple(fit(relevance * part, shape) for part, shape in zip(parts, shapes, strict=True))

    return joined(call, value, share, first, second)


def only_signal(call: Call) -> Tensor:
    """All relevance to the one operand that is no constant."""
    first, second = call.input, call.argument(1, "other")
    signal: Tensor = first if on_tape(first) else second
    other = second if signal is first else first
    if isinstance(other, Tensor) and not broadcasts(other, signal):
        raise no_rule("arithmetic that broadcasts the feature maps over a larger constant")
    return identity(call, signal)
