"""Guided backpropagation (Springenberg et al. 2014): a ReLU's backward passes positive gradients of active units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.graph import nodes_behind
from saliency_viewer.attribution.operators import Call, on_tape, store
from saliency_viewer.attribution.rules.base import RuleSet, clamps_at_zero, is_activation
from saliency_viewer.attribution.rules.tape import RuleFunction
from saliency_viewer.attribution.undefined import NotDefinedHere

_RECTIFIERS = frozenset({"relu", "relu6", "hardtanh", "leaky_relu"})
# Autograd's names of elementwise operators from which networks write activations by hand.
_HAND_WRITTEN = ("Maximum", "Minimum", "Where", "Exp", "Expm1", "Log", "Log1P", "Erf", "Abs", "Pow", "Sin", "Sqrt")


class _GuidedRectifier(RuleFunction):
    """Forward: a value computed before. Backward: clamp(gradient, 0) times the forward derivative."""

    @staticmethod
    def forward(ctx: Any, _inputs: Tensor, value: list[Tensor], derivative: Tensor) -> Tensor:
        ctx.save_for_backward(derivative)
        return value[0]  # in a list, since a tensor argument would go out as a view, which in-place code may not change

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (derivative,) = ctx.saved_tensors
        return gradient.clamp(min=0) * derivative, None, None


class Guided(RuleSet):
    """For ReLU, ReLU6 (a hardtanh from 0), LeakyReLU and clamping at zero. Sigmoid gates keep their gradient."""

    def handle(self, call: Call) -> Any:
        """Replace the backward of rectifiers; refuse activations for which the rule is not defined."""
        if self._gated(call):
            raise _refusal("the product of two feature maps of equal shape")
        if not is_activation(call):
            return call.run()
        if not _is_rectifier(call):
            raise _refusal(call.name)
        self.intercepted += 1
        inputs: Tensor = call.input
        if not on_tape(inputs):
            return call.run()
        with torch.no_grad():
            value, derivative = _value_and_derivative(call, inputs.detach())
        result: Tensor = _GuidedRectifier.apply(inputs, [value], derivative)
        return store(call, result)

    def finish(self, logits: Tensor) -> None:
        """An activation written by hand would silently keep its plain gradient."""
        super().finish(logits)
        for node in nodes_behind(logits):
            operator = node.name().removeprefix("torch::autograd::").rstrip("0123456789").removesuffix("Backward")
            if operator in _HAND_WRITTEN:
                raise _refusal(f"the operator {operator.lower()}")

    def _gated(self, call: Call) -> bool:
        """Whether a product is an activation such as x * sigmoid(x), not a gate that is broadcast over space."""
        first, second = call.input, call.argument(1, "other")
        both = on_tape(first) and on_tape(second)
        return call.name == "mul" and both and first.shape == second.shape and first.ndim > 2


def _refusal(what: str) -> NotDefinedHere:
    return NotDefinedHere(
        f"Guided backpropagation is not defined for this network: it uses {what}, not ReLU.",
        "Choose a gradient method such as SmoothGrad or integrated gradients.",
    )


def _is_rectifier(call: Call) -> bool:
    if call.name == "hardtanh":
        return bool(call.argument(1, "min_val", -1.0) == 0)
    return call.name in _RECTIFIERS or clamps_at_zero(call)


def _value_and_derivative(call: Call, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The operator's value and its derivative at ``inputs``, which stay as they are."""
    if call.name == "leaky_relu":
        slope = call.argument(1, "negative_slope", 0.01)
        derivative = torch.where(inputs > 0, 1.0, slope).to(inputs.dtype)
        return inputs * derivative, derivative
    ceiling = _ceiling(call)
    active = inputs > 0
    if ceiling is None:
        return inputs.clamp(min=0), active.to(inputs.dtype)
    return inputs.clamp(0, ceiling), (active & (inputs < ceiling)).to(inputs.dtype)


def _ceiling(call: Call) -> float | None:
    if call.name == "relu6":
        return 6.0
    if call.name == "hardtanh":
        return float(call.argument(2, "max_val", 1.0))
    if call.name in ("clamp", "clip"):
        high = call.argument(2, "max")
        return None if high is None else float(high)
    return None
