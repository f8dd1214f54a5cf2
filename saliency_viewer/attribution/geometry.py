"""The geometry of a convolution in any dimension, however the call gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call


@dataclass(frozen=True)
class Geometry:
    """Stride, padding and dilation along each spatial axis, and the number of groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @classmethod
    def of(cls, call: Call) -> Geometry | None:
        """That of a call of conv1d, conv2d or conv3d; None where it pads one side more than the other."""
        kernel = call.argument(1, "weight").shape[2:]
        axes = len(kernel)
        dilation = each(call.argument(5, "dilation", 1), axes)
        padding = _padding(call.argument(4, "padding", 0), kernel, dilation)
        if padding is None:
            return None
        return cls(each(call.argument(3, "stride", 1), axes), padding, dilation, call.argument(6, "groups", 1))

    def forward(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution of ``inputs`` (N, K, *spatial) with ``weight`` (L, K / groups, *kernel) and ``bias`` (L,)."""
        zeros = (0,) * len(self.stride)
        return torch.convolution(
            inputs, weight, bias, self.stride, self.padding, self.dilation, False, zeros, self.groups
        )

    def backward(self, gradient: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """The gradient at an input of ``shape``, by the library."""
        # Only the shape of the input is read; an expanded scalar in its place would be copied out at full size.
        unread = gradient.new_empty(shape)
        zeros = (0,) * len(self.stride)
        found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            gradient, unread, weight, None, self.stride, self.padding, self.dilation, False, zeros, self.groups,
            (True, False, False),
        )  # fmt: skip
        return found[0]


def each(value: Any, axes: int) -> tuple[int, ...]:
    """An operator's setting for each axis, however it was given."""
    if isinstance(value, int):
        return (value,) * axes
    return tuple(value) if len(value) == axes else tuple(value) * axes


def _padding(value: Any, kernel: torch.Size, dilation: tuple[int, ...]) -> tuple[int, ...] | None:
    if value == "valid":
        return (0,) * len(kernel)
    if value == "same":
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return None if any(n % 2 for n in total) else tuple(n // 2 for n in total)
    return each(value, len(kernel))
