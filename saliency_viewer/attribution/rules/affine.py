"""Layers that weigh and add up their inputs: what rules of relevance need to know of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.attribution.operators import Call


@dataclass(frozen=True, eq=False)
class Affine(ABC):
    """Weight (L, ...) and bias (L,) of a layer; ``nonnegative``: its inputs are known not to be negative."""

    weight: Tensor
    bias: Tensor | None
    nonnegative: bool

    @abstractmethod
    def run(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer with another weight and bias."""

    @abstractmethod
    def back(self, ratio: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
        """Gradient of the layer with that weight with respect to its inputs, whose values do not matter."""

    def folded(self, scale: Tensor, shift: Tensor) -> Self:
        """The layer whose output is ``scale * output + shift``, per channel."""
        weight = self.weight * scale.reshape(-1, *[1] * (self.weight.ndim - 1))
        bias = shift if self.bias is None else self.bias * scale + shift
        return replace(self, weight=weight, bias=bias)


@dataclass(frozen=True, eq=False)
class Linear(Affine):
    """Inputs (N, ..., K), weight (L, K)."""

    @classmethod
    def of(cls, call: Call, nonnegative: bool) -> Linear:
        """Read a call of linear."""
        return cls(call.argument(1, "weight"), call.argument(2, "bias"), nonnegative)

    def run(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer with another weight and bias."""
        return functional.linear(inputs, weight, bias)

    def back(self, ratio: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
        """The ratios weighted back."""
        return torch.matmul(ratio, weight)


def normalisation(call: Call) -> tuple[Tensor, Tensor] | None:
    """(scale, shift) per channel of a batch_norm call in evaluation mode; None when it has no stored statistics."""
    # ``torch.batch_norm`` and exported programs give weight and bias first, ``functional.batch_norm`` the statistics.
    first, second = (1, 3) if call.function is functional.batch_norm else (3, 1)
    mean, variance = call.argument(first, "running_mean"), call.argument(first + 1, "running_var")
    weight, bias = call.argument(second, "weight"), call.argument(second + 1, "bias")
    if mean is None or variance is None:
        return None
    scale = torch.rsqrt(variance + call.argument(7, "eps", 1e-5))
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias
