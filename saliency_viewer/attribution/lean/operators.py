"""Operator handlers: the forward pass as called, the backward pass without waste."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.lean.folding import Folds
from saliency_viewer.attribution.lean.geometry import Geometry, Mirrored, Phases, in_format
from saliency_viewer.attribution.operators import Call, on_tape
from saliency_viewer.attribution.rules.affine import normalisation
from saliency_viewer.attribution.rules.convolution import Convolution
from saliency_viewer.attribution.rules.families import CONVOLUTIONS
from saliency_viewer.attribution.rules.tape import RuleFunction
from saliency_viewer.attribution.undefined import NotDefinedHere

_FEW_CHANNELS = 4  # of an input at which the library's strided backward pass is slow: images and volumes have 1 to 4

Backward = Callable[[Tensor, torch.Size], Tensor]


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A convolution's weights as they are run, made once for each weight; ``owner`` keeps the key's id its own."""

    owner: Tensor
    weight: Tensor
    bias: Tensor | None
    geometry: Geometry

    @cached_property
    def backward(self) -> Backward:
        """Made when it is first run: many passes have none."""
        with torch.no_grad():
            return _backward_of(self.weight, self.geometry)


class _Convolved(RuleFunction):
    """Keeps the weight and a shape; autograd's own node would keep the input, which frozen weights never need."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, prepared: _Prepared) -> Tensor:
        ctx.shape, ctx.prepared = inputs.shape, prepared
        return prepared.geometry.forward(inputs, prepared.weight, prepared.bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.prepared.backward(gradient, ctx.shape), None


class _Scaled(RuleFunction):
    """Batch normalisation with stored statistics is a scale and a shift; its backward needs no input."""

    @staticmethod
    def forward(ctx: Any, _inputs: Tensor, value: list[Tensor], scale: Tensor) -> Tensor:
        ctx.scale = scale
        return value[0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.scale, None, None


class LeanOperators:
    """Handles the operators of many passes through one network; weights are prepared at their first use.

    Only for networks whose parameters are frozen. Give two-dimensional inputs in channels-last format.
    """

    def __init__(self, folds: Folds) -> None:
        self._folds = folds
        self._prepared: dict[int, _Prepared | None] = {}
        self._scales: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, call: Call) -> Any:
        """Run one operator."""
        if call.name in CONVOLUTIONS:
            return self._convolution(call)
        if call.name == "batch_norm":
            return self._normalisation(call)
        return call.run()

    def _convolution(self, call: Call) -> Any:
        weight = call.argument(1, "weight")
        if id(weight) not in self._prepared:
            self._prepared[id(weight)] = self._prepare(call)
        prepared = self._prepared[id(weight)]
        inputs: Tensor = call.input
        if prepared is None or inputs.ndim != weight.ndim:
            return call.run()
        if not on_tape(inputs):
            return prepared.geometry.forward(inputs, prepared.weight, prepared.bias)
        return _Convolved.apply(inputs, prepared)

    def _prepare(self, call: Call) -> _Prepared | None:
        found = _readable(call)
        if found is None or found.weight.requires_grad or not isinstance(found.weight, torch.nn.Parameter):
            return None
        weight, bias = self._folds.weights.get(id(found.weight), (found.weight, found.bias))
        geometry = Geometry(found.stride, found.padding, found.dilation, found.groups)
        with torch.no_grad():
            weight = in_format(weight.detach())
            return _Prepared(found.weight, weight, bias, geometry)

    def _normalisation(self, call: Call) -> Any:
        mean = call.argument(1, "running_mean")
        if id(mean) in self._folds.skipped:
            return call.input
        scale = self._scale(call, mean) if on_tape(call.input) else None
        if scale is None:
            return call.run()
        with torch.no_grad():
            value = call.run()
        return _Scaled.apply(call.input, [value], scale)

    def _scale(self, call: Call, mean: Any) -> Tensor | None:
        if not isinstance(mean, Tensor):
            return None
        if id(mean) not in self._scales:
            found = normalisation(call)
            if found is None:
                return None
            self._scales[id(mean)] = (mean, found[0].reshape(-1, *[1] * (call.input.ndim - 2)))
        return self._scales[id(mean)][1]


def _readable(call: Call) -> Convolution | None:
    try:
        return Convolution.of(call, nonnegative=False)
    except NotDefinedHere:  # an asymmetric padding
        return None


def _backward_of(weight: Tensor, geometry: Geometry) -> Backward:
    """The fastest way to the gradient at the convolution's input."""
    mirrored = Mirrored.of(weight, geometry)
    if mirrored is not None:
        return mirrored
    if max(geometry.stride) > 1 and weight.shape[1] <= _FEW_CHANNELS:
        phases = Phases.of(weight, geometry)
        if phases is not None:
            return phases

    def by_library(gradient: Tensor, shape: torch.Size) -> Tensor:
        return geometry.backward(gradient, weight, shape)

    return by_library
