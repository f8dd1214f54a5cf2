"""Convolutions in any dimension as rules of relevance see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.rules.affine import Affine
from saliency_viewer.attribution.undefined import NotDefinedHere


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Affine):
    """Inputs (N, K, *spatial), weight (L, K / groups, *kernel), bias (L,), and the geometry."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @classmethod
    def of(cls, call: Call, nonnegative: bool) -> Convolution:
        """Read a call of conv1d, conv2d or conv3d."""
        weight = call.argument(1, "weight")
        axes = weight.ndim - 2
        dilation = _each(call.argument(5, "dilation", 1), axes)
        padding = _padding(call.argument(4, "padding", 0), weight.shape[2:], dilation)
        stride = _each(call.argument(3, "stride", 1), axes)
        bias, groups = call.argument(2, "bias"), call.argument(6, "groups", 1)
        return cls(
            weight=weight,
            bias=bias,
            nonnegative=nonnegative,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )

    def run(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with another weight and bias."""
        zeros = (0,) * len(self.stride)
        return torch.convolution(
            inputs, weight, bias, self.stride, self.padding, self.dilation, False, zeros, self.groups
        )

    def back(self, ratio: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
        """Gradient of the convolution with respect to its input."""
        zeros = (0,) * len(self.stride)
        found: Any = torch.ops.aten.convolution_backward(
            ratio, inputs, weight, None, self.stride, self.padding, self.dilation, False, zeros, self.groups,
            (True, False, False),
        )  # fmt: skip
        gradient: Tensor = found[0]
        return gradient


def _each(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * axes
    return tuple(value) if len(value) == axes else tuple(value) * axes


def _padding(value: Any, kernel: torch.Size, dilation: tuple[int, ...]) -> tuple[int, ...]:
    if value == "valid":
        return (0,) * len(kernel)
    if value == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        if any(n % 2 for n in total):
            raise NotDefinedHere(
                "Layer-wise relevance is not implemented for 'same' padding of an even kernel, which this network has.",
                "Choose integrated gradients.",
            )
        return tuple(n // 2 for n in total)
    return _each(value, len(kernel))
