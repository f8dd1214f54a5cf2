"""Guided backpropagation (Springenberg et al. 2014) and DeconvNet: rectifiers pass positive gradients only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call, on_tape, store, tensors_in
from saliency_viewer.attribution.rules.base import RuleSet
from saliency_viewer.attribution.rules.families import RECURRENT, clamps_at_zero, is_activation
from saliency_viewer.attribution.rules.tape import RuleFunction, joined, rewrites
from saliency_viewer.attribution.rules.unfollowed import Unfollowed
from saliency_viewer.attribution.undefined import NotDefinedHere

# Their own backward is the mask alone; a clamp's passes gradients at exactly zero.
_CLAMPED_AFTER = frozenset({"relu", "relu6", "hardtanh"})
_PUBLISHED = frozenset({"relu", "clamp", "clamp_min", "clip"})  # under any of its names
_RECTIFIERS = _CLAMPED_AFTER | {"leaky_relu"}
_MASKING = frozenset({"masked_fill", "masked_scatter", "setitem", "index_put"})
_SUSPECT = _MASKING | RECURRENT | {"mul"}
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

    label = "Guided backpropagation"

    def __init__(self) -> None:
        super().__init__()
        self._unfollowed = Unfollowed()

    def handle(self, call: Call) -> Any:
        """Replace the backward of rectifiers; refuse activations for which the rule is not defined."""
        if call.name in _SUSPECT:
            self._refuse_hidden(call)
        if not is_activation(call):
            result = call.run()
            self._unfollowed.see(call, result)
            return result
        if not _is_rectifier(call):
            raise self._refusal(call.name)
        self.intercepted += 1
        if call.name not in _PUBLISHED:
            name = "relu6" if _ceiling(call) == 6.0 else call.name  # modules of that name run a hardtanh
            self.declare(f"{name} treated like ReLU")
        return self._ruled(call) if on_tape(call.input) else call.run()

    def inspect(self, node: Any) -> None:
        """An activation written by hand would silently keep its plain gradient."""
        operator = node.name().removeprefix("torch::autograd::").rstrip("0123456789").removesuffix("Backward")
        if operator in _HAND_WRITTEN:
            raise self._refusal(f"the operator {operator.lower()}")

    def _ruled(self, call: Call) -> Tensor:
        inputs: Tensor = call.input
        if call.name in _CLAMPED_AFTER and not (call.in_place and inputs._is_view()):
            result: Tensor = call.run()
            if result.grad_fn is not None:
                result.grad_fn.register_hook(_clamp)
            return result
        with torch.no_grad():
            value, derivative = _value_and_derivative(call, inputs.detach())
        return store(call, _GuidedRectifier.apply(inputs, [value], derivative))

    def _refuse_hidden(self, call: Call) -> None:
        """Raise where an activation hides in an operator that is none."""
        if self._written_out(call):
            raise self._refusal("the product of two feature maps of equal shape")
        if self._masked(call):
            raise self._refusal("a mask that it computes from its feature maps")
        if call.name in RECURRENT and any(map(on_tape, tensors_in([call.args, call.kwargs]))):
            raise self._refusal(call.name)

    def _written_out(self, call: Call) -> bool:
        """Whether a product is, or may be, an activation such as x * sigmoid(x), not a gate."""
        first, second = call.input, call.argument(1, "other")
        if call.name != "mul" or not (on_tape(first) and on_tape(second)):
            return False
        gated = self.gates.split(call)
        if gated is not None and gated.kind == "gate":
            self.declare("gates keep their gradient")
        if gated is None:
            return first.ndim > 2 and bool(first.shape == second.shape)
        return gated.kind == "activation"

    def _masked(self, call: Call) -> bool:
        """Whether values are chosen by others, as in x * (x > 0), which is a rectifier no rule sees."""
        if not torch.is_grad_enabled():  # inside an operator of the network's own, which is judged as a whole
            return False
        if call.name == "mul":
            first, second = call.input, call.argument(1, "other")
            maps, mask = (first, second) if on_tape(first) else (second, first)
            return mask in self._unfollowed and on_tape(maps) and mask.ndim > 2 and bool(maps.shape == mask.shape)
        if call.name not in _MASKING or call.input.ndim <= 2:  # scores may be scaled by what they are
            return False
        given = list(tensors_in([call.args, call.kwargs]))
        return any(map(on_tape, given)) and any(tensor in self._unfollowed for tensor in given)

    def _refusal(self, what: str) -> NotDefinedHere:
        return NotDefinedHere(
            f"{self.label} is not defined for this network: it uses {what}, not ReLU.",
            "Choose a gradient method such as SmoothGrad or integrated gradients.",
        )


class Deconvolution(Guided):
    """DeconvNet (Zeiler and Fergus 2014): positive gradients pass, whether the unit was active or not."""

    label = "Deconvolution"

    def _ruled(self, call: Call) -> Tensor:
        with torch.no_grad():
            value = call.run() if rewrites(call) else call.run_on_copy()
        return joined(call, value, lambda gradient: (gradient.clamp(min=0),), call.input)


def _clamp(gradients: tuple[Tensor | None, ...], _outputs: Any) -> tuple[Tensor | None, ...]:
    """After the mask as good as before it, and there the gradient is nobody else's, so that no copy is needed."""
    return tuple(None if gradient is None else gradient.clamp_(min=0) for gradient in gradients)


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
