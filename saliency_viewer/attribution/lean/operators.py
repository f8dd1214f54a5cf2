"""Operator handlers: the forward pass as called, the backward pass without waste."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.geometry import Geometry
from saliency_viewer.attribution.lean.folding import Folds
from saliency_viewer.attribution.lean.input_gradients import Mirrored, Phases, in_format
from saliency_viewer.attribution.operators import Call, on_tape, tensors_in
from saliency_viewer.attribution.rules.affine import normalisation
from saliency_viewer.attribution.rules.families import CONVOLUTIONS
from saliency_viewer.attribution.rules.tape import RuleFunction

_FEW_CHANNELS = 4  # of an input at which the library's strided backward pass is slow: images and volumes have 1 to 4

_CONVOLVED = ("weight", "bias", "stride", "padding", "dilation", "groups")  # arguments from the second on
_NORMALISED = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")

Backward = Callable[[Tensor, torch.Size], Tensor]
Key = tuple[int | str, ...]


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A convolution's weights as they are run; ``owners`` keep the ids in its key their own."""

    owners: list[Tensor]
    weight: Tensor
    bias: Tensor | None
    geometry: Geometry
    channels_last: bool

    @cached_property
    def backward(self) -> Backward:
        """Made when it is first run: many passes have none."""
        with torch.no_grad():
            return _backward_of(self.weight, self.geometry, self.channels_last)


@dataclass(frozen=True, eq=False)
class _Scale:
    """What a batch normalisation multiplies each channel with, (K,); ``owners`` as above."""

    owners: list[Tensor]
    values: Tensor


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

    Only for networks whose parameters are frozen. With ``channels_last`` two-dimensional weights lie so in memory, and
    inputs had better do too.
    """

    def __init__(self, folds: Folds, channels_last: bool = True) -> None:
        self._folds = folds
        self._last = channels_last
        self._prepared: dict[Key, _Prepared | None] = {}
        self._scales: dict[Key, _Scale | None] = {}

    def __call__(self, call: Call) -> Any:
        """Run one operator."""
        if call.name in CONVOLUTIONS:
            return self._convolution(call)
        if call.name == "batch_norm":
            return self._normalisation(call)
        return call.run()

    def _convolution(self, call: Call) -> Any:
        given = _given(call, _CONVOLVED)
        key = _key(given)
        if key not in self._prepared:
            self._prepared[key] = self._prepare(call, list(tensors_in(given)))
        prepared = self._prepared[key]
        inputs: Tensor = call.input
        if prepared is None or inputs.ndim != prepared.weight.ndim:
            return call.run()
        if not on_tape(inputs):
            return prepared.geometry.forward(inputs, prepared.weight, prepared.bias)
        return _Convolved.apply(inputs, prepared)

    def _prepare(self, call: Call, owners: list[Tensor]) -> _Prepared | None:
        geometry = Geometry.of(call)
        if geometry is None or not all(_constant(values) for values in owners):
            return None
        weight, bias = owners[0], owners[1] if len(owners) > 1 else None
        weight, bias = self._folds.weights.get(id(weight), (weight, bias))
        with torch.no_grad():
            return _Prepared(owners, in_format(weight.detach(), self._last), bias, geometry, self._last)

    def _normalisation(self, call: Call) -> Any:
        mean = call.argument(1, "running_mean")
        if id(mean) in self._folds.skipped:
            return call.input
        scale = self._scale(call) if on_tape(call.input) else None
        if scale is None:
            return call.run()
        with torch.no_grad():
            value = call.run()
        return _Scaled.apply(call.input, [value], scale)

    def _scale(self, call: Call) -> Tensor | None:
        given = _given(call, _NORMALISED)
        key = _key(given)
        if key not in self._scales:
            found = normalisation(call)
            self._scales[key] = None if found is None else _Scale(list(tensors_in(given)), found[0])
        scale = self._scales[key]
        return None if scale is None else scale.values.reshape(-1, *[1] * (call.input.ndim - 2))


def _given(call: Call, names: Iterable[str]) -> list[Any]:
    return [call.argument(position, name) for position, name in enumerate(names, 1)]


def _key(given: list[Any]) -> Key:
    """What tells two calls of an operator apart: one weight may serve with several strides or biases."""
    return tuple(id(value) if isinstance(value, Tensor) else str(value) for value in given)


def _constant(values: Tensor) -> bool:
    """Whether a weight is the network's own and stays the same; computed ones are made anew in every pass."""
    return isinstance(values, torch.nn.Parameter) and not values.requires_grad


def _backward_of(weight: Tensor, geometry: Geometry, channels_last: bool) -> Backward:
    """The fastest way to the gradient at the convolution's input."""
    mirrored = Mirrored.of(weight, geometry, channels_last)
    if mirrored is not None:
        return mirrored
    if max(geometry.stride) > 1 and weight.shape[1] <= _FEW_CHANNELS:
        phases = Phases.of(weight, geometry, channels_last)
        if phases is not None:
            return phases

    def by_library(gradient: Tensor, shape: torch.Size) -> Tensor:
        return geometry.backward(gradient, weight, shape)

    return by_library
