"""Layers that weigh and add up their inputs: what rules of relevance need to know of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.attribution.operators import Call


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(ABC):
    """Weight (L, ...) and bias (L,) of a layer; ``nonnegative``: its inputs are known not to be negative.

    ``scale`` (L,), when given, is yet to be multiplied into the weight.
    """

    weight: Tensor
    bias: Tensor | None
    nonnegative: bool
    scale: Tensor | None = None

    @abstractmethod
    def run(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer with another weight and bias."""

    @abstractmethod
    def back(self, ratio: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
        """Gradient of the layer with that weight with respect to its inputs, whose values do not matter."""

    def folded(self, scale: Tensor, shift: Tensor) -> Self:
        """The layer whose output is ``scale * output + shift``, per channel."""
        bias = shift if self.bias is None else self.bias * scale + shift
        return replace(self, scale=scale, bias=bias)

    def weights(self) -> Tensor:
        """The weight with its scale. Made anew when asked for: copies of all weights would fill the memory."""
        if self.scale is None:
            return self.weight
        return self.weight * self.scale.reshape(-1, *[1] * (self.weight.ndim - 1))

    def raising(self) -> Tensor:
        """The positive weights, zero elsewhere."""
        weight = self.weights()
        return weight.clamp(min=0) if weight is self.weight else weight.clamp_(min=0)

    def lowering(self) -> Tensor:
        """The negative weights, zero elsewhere."""
        weight = self.weights()
        return weight.clamp(max=0) if weight is self.weight else weight.clamp_(max=0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Affine):
    """Inputs (N, ..., K), weight (L, K)."""

    @classmethod
    def of(cls, call: Call, nonnegative: bool) -> Linear:
        """Read a call of linear."""
        return cls(weight=call.argument(1, "weight"), bias=call.argument(2, "bias"), nonnegative=nonnegative)

    def run(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer with another weight and bias."""
        return functional.linear(inputs, weight, bias)

    def back(self, ratio: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
        """The ratios weighted back."""
        return torch.matmul(ratio, weight)


def normalisation(call: Call) -> tuple[Tensor, Tensor] | None:
    """(scale, shift) per channel of a batch_norm call; None when it does not use stored statistics."""
    # ``torch.batch_norm`` and exported programs give weight and bias first, ``functional.batch_norm`` the statistics.
    first, second = (1, 3) if call.function is functional.batch_norm else (3, 1)
    mean, variance = call.argument(first, "running_mean"), call.argument(first + 1, "running_var")
    weight, bias = call.argument(second, "weight"), call.argument(second + 1, "bias")
    if mean is None or variance is None or call.argument(5, "training", False):
        return None
    scale = torch.rsqrt(variance + call.argument(7, "eps", 1e-5))
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias
