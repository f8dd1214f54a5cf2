"""The weights with which a convolution's input gradient is another forward convolution."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.attribution.geometry import Geometry

_RUN = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}


@dataclass(frozen=True, eq=False)
class Mirrored:
    """Stride 1: the input gradient is a convolution with the kernel mirrored and its channels exchanged."""

    weight: Tensor
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @classmethod
    def of(cls, weight: Tensor, geometry: Geometry, channels_last: bool = True) -> Mirrored | None:
        """None where the geometry does not allow it."""
        reach = [d * (k - 1) for d, k in zip(geometry.dilation, weight.shape[2:], strict=True)]
        padding = tuple(r - p for r, p in zip(reach, geometry.padding, strict=True))
        if geometry.groups != 1 or set(geometry.stride) != {1} or min(padding) < 0:
            return None
        mirrored = weight.flip(tuple(range(2, weight.ndim))).transpose(0, 1)
        return cls(in_format(mirrored, channels_last), padding, geometry.dilation)

    def __call__(self, gradient: Tensor, _shape: torch.Size) -> Tensor:
        """(N, K, *spatial) from the gradient at the output (N, L, *spatial)."""
        ones = (1,) * len(self.padding)
        return _RUN[len(self.padding)](gradient, self.weight, None, ones, self.padding, self.dilation)


@dataclass(frozen=True, eq=False)
class Phases:
    """Stride s > 1: the input gradient as one convolution with stride 1 whose channels are then interleaved.

    Input positions of equal remainder modulo s see the same taps, so each such phase is a convolution of its own: with
    i = s q + r, the gradient at i is sum_d g[q + d] w[r + p - s d].
    """

    weight: Tensor  # (phases * K, L, *taps)
    stride: tuple[int, ...]
    lowest: tuple[int, ...]
    highest: tuple[int, ...]

    @classmethod
    def of(cls, weight: Tensor, geometry: Geometry, channels_last: bool = True) -> Phases | None:
        """None where the geometry does not allow it."""
        if geometry.groups != 1 or set(geometry.dilation) != {1}:
            return None
        stride, padding = geometry.stride, geometry.padding
        sides = list(zip(weight.shape[2:], stride, padding, strict=True))
        lowest = tuple(min(math.ceil((r + p - k + 1) / s) for r in range(s)) for k, s, p in sides)
        highest = tuple(max((r + p) // s for r in range(s)) for _, s, p in sides)
        taps = [high - low + 1 for low, high in zip(lowest, highest, strict=True)]
        channels = weight.shape[1]
        phases = weight.new_zeros(math.prod(stride) * channels, weight.shape[0], *taps)
        for number, remainder in enumerate(itertools.product(*map(range, stride))):
            for tap in itertools.product(*map(range, taps)):
                at = [
                    r + p - s * (t + low)
                    for r, p, s, t, low in zip(remainder, padding, stride, tap, lowest, strict=True)
                ]
                if all(0 <= a < k for a, k in zip(at, weight.shape[2:], strict=True)):
                    rows = slice(number * channels, (number + 1) * channels)
                    place: tuple[Any, ...] = (rows, slice(None), *tap)
                    taken: tuple[Any, ...] = (slice(None), slice(None), *at)
                    phases[place] = weight[taken].T
        return cls(in_format(phases, channels_last), stride, lowest, highest)

    def __call__(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """(N, K, *spatial) of ``shape`` from the gradient at the output (N, L, *spatial)."""
        axes = len(self.stride)
        groups = [-(-size // s) for size, s in zip(shape[2:], self.stride, strict=True)]
        margins = [
            (-low, q - 1 + high - (size - 1))
            for low, high, q, size in zip(self.lowest, self.highest, groups, gradient.shape[2:], strict=True)
        ]
        framed = functional.pad(gradient, [side for margin in reversed(margins) for side in margin])
        phases = _RUN[axes](framed, self.weight)
        split = phases.reshape(shape[0], *self.stride, shape[1], *groups)
        order = [0, axes + 1, *(k for axis in range(axes) for k in (axes + 2 + axis, 1 + axis))]
        whole = split.permute(order).reshape(*shape[:2], *(q * s for q, s in zip(groups, self.stride, strict=True)))
        inside: tuple[Any, ...] = (..., *(slice(size) for size in shape[2:]))
        return whole[inside]


def in_format(values: Tensor, channels_last: bool) -> Tensor:
    """Channels last where that is faster on a CPU, in two dimensions, and the network can take it."""
    last = values.ndim == 4 and channels_last
    return values.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
