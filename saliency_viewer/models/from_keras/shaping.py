"""Layers that move values about, put tensors together, or do nothing once a network is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.models.from_keras.activations import Maker
from saliency_viewer.models.from_keras.axes import Axes


class InKerasOrder(nn.Module):
    """A function of one tensor that depends on Keras' order of axes."""

    def __init__(self, function: Callable[[Tensor], Tensor], axes: Axes) -> None:
        super().__init__()
        self.function, self.axes = function, axes

    def forward(self, values: Tensor) -> Tensor:
        """Of any shape."""
        return self.axes.inside(self.function(self.axes.outside(values)))


class Merge(nn.Module):
    """A list of tensors as one; of unequal ranks the lower ones get axes behind the first, as Keras does."""

    def __init__(self, function: Callable[[list[Tensor]], Tensor], axes: Axes) -> None:
        super().__init__()
        self.function, self.axes = function, axes

    def forward(self, tensors: Sequence[Tensor]) -> Tensor:
        """Of any shapes that go together."""
        rank = max(tensor.ndim for tensor in tensors)
        return self.function([self._raised(tensor, rank) for tensor in tensors])

    def _raised(self, tensor: Tensor, rank: int) -> Tensor:
        if tensor.ndim == rank:
            return tensor
        found = self.axes.outside(tensor)
        return self.axes.inside(found.reshape(len(found), *[1] * (rank - found.ndim), *found.shape[1:]))


def _sum(tensors: list[Tensor]) -> Tensor:
    return reduce(torch.add, tensors)


def _merge(function: Callable[[list[Tensor]], Tensor]) -> Maker:
    return lambda _, axes: Merge(function, axes)


def _concatenate(layer: Any, axes: Axes) -> nn.Module:
    axis = int(layer.axis)
    return Merge(lambda tensors: torch.cat(tensors, axes.axis(axis, tensors[0].ndim)), axes)


def _scaled_sum(layer: Any, axes: Axes) -> nn.Module:
    """Of InceptionResNetV2: the first and a share of the second."""
    share = float(layer.scale)
    return Merge(lambda tensors: tensors[0] + tensors[1] * share, axes)


def _flatten(layer: Any, axes: Axes) -> nn.Module:
    """Keras flattens with the channels last, of either data format."""
    axes.require(layer)
    if not axes.channels_last:
        return InKerasOrder(lambda values: values.movedim(1, -1).flatten(1), axes)
    return InKerasOrder(lambda values: values.flatten(1), axes)


def _reshape(layer: Any, axes: Axes) -> nn.Module:
    shape = tuple(layer.target_shape)
    return InKerasOrder(lambda values: values.reshape(len(values), *shape), axes)


def _permute(layer: Any, axes: Axes) -> nn.Module:
    order = (0, *layer.dims)
    return InKerasOrder(lambda values: values.permute(order), axes)


def _repeat(layer: Any, axes: Axes) -> nn.Module:
    times = int(layer.n)
    return InKerasOrder(lambda values: values[:, None].expand(-1, times, -1), axes)


def _nothing(_layer: Any, _axes: Axes) -> nn.Module:
    return nn.Identity()


# They act in training only.
_IDLE = (
    *("Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"),
    *("GaussianDropout", "GaussianNoise", "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom"),
    *("RandomTranslation", "RandomContrast", "RandomBrightness"),
)
LAYERS: tuple[tuple[str, Maker], ...] = (
    *((name, _nothing) for name in _IDLE),
    ("Flatten", _flatten),
    ("Reshape", _reshape),
    ("Permute", _permute),
    ("RepeatVector", _repeat),
    ("Add", _merge(_sum)),
    ("Subtract", _merge(lambda tensors: tensors[0] - tensors[1])),
    ("Multiply", _merge(lambda tensors: reduce(torch.mul, tensors))),
    ("Average", _merge(lambda tensors: _sum(tensors) / len(tensors))),
    ("Maximum", _merge(lambda tensors: reduce(torch.maximum, tensors))),
    ("Minimum", _merge(lambda tensors: reduce(torch.minimum, tensors))),
    ("Concatenate", _concatenate),
    ("CustomScaleLayer", _scaled_sum),
)
