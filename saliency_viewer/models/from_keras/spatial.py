"""Padding, cropping, pooling and enlarging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.models.from_keras.activations import Maker
from saliency_viewer.models.from_keras.axes import Axes, NotTranslated
from saliency_viewer.models.from_keras.weighted import Padding, padded, same_padding

_MAXIMA = (nn.functional.max_pool1d, nn.functional.max_pool2d, nn.functional.max_pool3d)
_MEANS = (nn.functional.avg_pool1d, nn.functional.avg_pool2d, nn.functional.avg_pool3d)


class Pooling(nn.Module):
    """Largest or mean value of every window; what padding "same" adds never counts."""

    def __init__(self, kind: str, window: Sequence[int], strides: Sequence[int], same: bool) -> None:
        super().__init__()
        self.kind, self.window, self.strides, self.same = kind, tuple(window), tuple(strides), same

    def extra_repr(self) -> str:
        """For the layer tree."""
        return f"{self.kind}, window={self.window}, strides={self.strides}, same={self.same}"

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial)."""
        sides = [(0, 0)] * len(self.window)
        if self.same:
            sides = same_padding(values.shape[2:], self.window, self.strides, [1] * len(self.window))
        # Windows that reach beyond the end by themselves need no padding, whose values could be seen by methods.
        after = [later - before for before, later in sides]
        ceil = any(after) and all(
            more <= (stride > 1) and (more or _whole(size, window, stride, before))
            for more, size, window, stride, (before, _) in zip(
                after, values.shape[2:], self.window, self.strides, sides, strict=True
            )
        )
        if any(after) and not ceil:
            return self._uneven(values, sides)
        return self._pooled(values, [before for before, _ in sides], ceil)

    def _pooled(self, values: Tensor, sides: list[int], ceil: bool) -> Tensor:
        axes = len(self.window) - 1
        if self.kind == "max":
            return _MAXIMA[axes](values, self.window, self.strides, sides, ceil_mode=ceil)
        return _MEANS[axes](values, self.window, self.strides, sides, ceil, False)

    def _uneven(self, values: Tensor, sides: list[tuple[int, int]]) -> Tensor:
        none = [0] * len(self.window)
        if self.kind == "max":
            return self._pooled(padded(values, sides, torch.finfo(values.dtype).min), none, False)
        share = self._pooled(padded(torch.ones_like(values[:1, :1]), sides), none, False)
        return self._pooled(padded(values, sides), none, False) / share


def _whole(size: int, window: int, stride: int, before: int) -> bool:
    """Whether rounding up makes no window more than rounding down."""
    return (size + 2 * before - window) % stride == 0


class GlobalPooling(nn.Module):
    """Mean or largest value over all of space."""

    def __init__(self, kind: str, keepdims: bool) -> None:
        super().__init__()
        self.kind, self.keepdims = kind, keepdims

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial) to (N, C), or (N, C, 1, ...)."""
        axes = tuple(range(2, values.ndim))
        return values.mean(axes, self.keepdims) if self.kind == "mean" else values.amax(axes, self.keepdims)


class Enlarging(nn.Module):
    """Whole-numbered enlargement; cells are repeated, or interpolated linearly."""

    def __init__(self, factors: Sequence[int], linear: bool) -> None:
        super().__init__()
        self.factors, self.linear = tuple(float(factor) for factor in factors), linear

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial)."""
        if not self.linear:
            return nn.functional.interpolate(values, scale_factor=self.factors, mode="nearest")
        return nn.functional.interpolate(
            values,
            scale_factor=self.factors,
            mode="bilinear",
            align_corners=False,
        )


def _sides(values: Any) -> list[tuple[int, int]]:
    """Keras' (before, after) of each axis; a one-dimensional layer has a single pair."""
    pairs = [values] if isinstance(values[0], int) else values
    return [(int(before), int(after)) for before, after in pairs]


def _zero_padding(layer: Any, axes: Axes) -> nn.Module:
    axes.require(layer)
    return Padding(_sides(layer.padding))


def _cropping(layer: Any, axes: Axes) -> nn.Module:
    axes.require(layer)
    return Padding([(-before, -after) for before, after in _sides(layer.cropping)])


def _pooling(kind: str) -> Maker:
    def make(layer: Any, axes: Axes) -> nn.Module:
        axes.require(layer)
        return Pooling(kind, layer.pool_size, layer.strides, layer.padding == "same")

    return make


def _global(kind: str) -> Maker:
    def make(layer: Any, axes: Axes) -> nn.Module:
        axes.require(layer)
        return GlobalPooling(kind, bool(layer.keepdims))

    return make


def _enlarging(layer: Any, axes: Axes) -> nn.Module:
    axes.require(layer)
    kind = getattr(layer, "interpolation", "nearest")
    factors = [layer.size] if isinstance(layer.size, int) else layer.size
    if kind not in ("nearest", "bilinear"):
        raise NotTranslated(f"the {kind} interpolation of '{layer.name}'")
    return Enlarging(factors, kind == "bilinear")


LAYERS: tuple[tuple[str, Maker], ...] = tuple(
    (f"{name}{axes}D", make)
    for axes in "123"
    for name, make in (
        ("ZeroPadding", _zero_padding),
        ("Cropping", _cropping),
        ("MaxPooling", _pooling("max")),
        ("AveragePooling", _pooling("mean")),
        ("GlobalMaxPooling", _global("max")),
        ("GlobalAveragePooling", _global("mean")),
        ("UpSampling", _enlarging),
    )
)
