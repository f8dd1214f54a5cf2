"""The z+ rule of convolutions, in any dimension, with a directly following batch normalisation folded in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.rules.tape import shared, stabilised
from saliency_viewer.attribution.undefined import NotDefinedHere


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution's input (N, K, *spatial), weight (L, K / groups, *kernel), bias (L,) and geometry."""

    inputs: Tensor
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @classmethod
    def of(cls, call: Call) -> Convolution:
        """Read a call of conv1d, conv2d or conv3d."""
        weight = call.argument(1, "weight")
        axes = weight.ndim - 2
        dilation = _each(call.argument(5, "dilation", 1), axes)
        padding = _padding(call.argument(4, "padding", 0), weight.shape[2:], dilation)
        stride = _each(call.argument(3, "stride", 1), axes)
        bias = call.argument(2, "bias")
        return cls(call.input, weight, bias, stride, padding, dilation, call.argument(6, "groups", 1))

    def folded(self, scale: Tensor, shift: Tensor) -> Convolution:
        """The convolution whose output is ``scale * output + shift``, per channel."""
        weight = self.weight * scale.reshape(-1, *[1] * (self.weight.ndim - 1))
        bias = shift if self.bias is None else self.bias * scale + shift
        return replace(self, weight=weight, bias=bias)

    def z_plus(self, value: Tensor) -> Tensor:
        """``value`` (what the operators really gave) with the z+ rule as its backward.

        Bach et al. 2015, alpha = 1: the positive contributions x+ w+ (+ b+) and x- w- share the relevance.
        """
        return shared(value, self._share, self.inputs)

    def _share(self, relevance: Tensor, inputs: Tensor) -> tuple[Tensor]:
        raising, lowering = self.weight.clamp(min=0), self.weight.clamp(max=0)
        bias = None if self.bias is None else self.bias.clamp(min=0)
        positive = inputs.clamp(min=0)
        total = self._run(positive, raising, bias)
        # Images and rectified maps are never negative; half of the work is saved for them.
        negative = inputs.clamp(max=0) if bool((inputs < 0).any()) else None
        if negative is not None:
            total = total + self._run(negative, lowering, None)
        ratio = relevance / stabilised(total)
        share = positive * self._back(ratio, positive, raising)
        if negative is not None:
            share = share + negative * self._back(ratio, negative, lowering)
        return (share,)

    def _run(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        zeros = (0,) * len(self.stride)
        return torch.convolution(
            inputs, weight, bias, self.stride, self.padding, self.dilation, False, zeros, self.groups
        )

    def _back(self, ratio: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
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
