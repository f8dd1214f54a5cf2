"""Normalisation, and the fixed scaling that many Keras networks begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.models.from_keras.activations import Maker
from saliency_viewer.models.from_keras.axes import Axes, NotTranslated, array

_BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}


class Scaling(nn.Module):
    """x * scale + offset: each a number, one for each channel (C,), or of the tensor's own rank."""

    def __init__(self, scale: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial)."""
        return values * _spread(self.scale, values.ndim) + _spread(self.offset, values.ndim)


def _spread(values: Any, rank: int) -> Tensor:
    found: Tensor = values.reshape(1, -1, *[1] * (rank - 2)) if values.ndim == 1 else values
    return found


class LayerNorm(nn.Module):
    """Layer normalisation over the channels, which torch's own wants last."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial)."""
        normal: Tensor = self.norm(values.movedim(1, -1))
        return normal.movedim(-1, 1)


def _batch_norm(layer: Any, axes: Axes) -> nn.Module:
    rank = layer.input_spec.ndim
    axes.require_channels(layer, layer.axis, rank)
    if rank not in _BATCH_NORMS:
        raise NotTranslated(f"batch normalisation '{layer.name}' on {rank} axes")
    mean = array(layer.moving_mean)
    found = _BATCH_NORMS[rank](len(mean), eps=float(layer.epsilon))
    found.load_state_dict(
        {
            "weight": array(layer.gamma) if layer.scale else torch.ones_like(mean),
            "bias": array(layer.beta) if layer.center else torch.zeros_like(mean),
            "running_mean": mean,
            "running_var": array(layer.moving_variance),
            "num_batches_tracked": torch.tensor(0),
        }
    )
    return found


def _layer_norm(layer: Any, axes: Axes) -> nn.Module:
    build = layer.get_build_config() or {}
    rank = len(build.get("input_shape") or ())
    axes.require_channels(layer, layer.axis, rank)
    if getattr(layer, "rms_scaling", False):
        raise NotTranslated(f"the root-mean-square normalisation '{layer.name}'")
    gamma = array(layer.gamma) if layer.scale else torch.ones(build["input_shape"][layer_axis(layer)])
    found = nn.LayerNorm(len(gamma.flatten()), eps=float(layer.epsilon))
    found.weight.data.copy_(gamma.flatten())
    found.bias.data.copy_(array(layer.beta).flatten() if layer.center else torch.zeros_like(found.bias))
    return found if rank == 2 else LayerNorm(found)


def layer_axis(layer: Any) -> int:
    """The single axis of a layer that may list it."""
    return int(layer.axis[0]) if isinstance(layer.axis, Sequence) else int(layer.axis)


def _group_norm(layer: Any, axes: Axes) -> nn.Module:
    rank = layer.input_spec.ndim
    axes.require_channels(layer, layer.axis, rank)
    channels = int((layer.get_build_config() or {})["input_shape"][layer.axis])
    groups = channels if int(layer.groups) == -1 else int(layer.groups)
    found = nn.GroupNorm(groups, channels, eps=float(layer.epsilon))
    if layer.scale:
        found.weight.data.copy_(array(layer.gamma).flatten())
    if layer.center:
        found.bias.data.copy_(array(layer.beta).flatten())
    return found


def _rescaling(layer: Any, axes: Axes) -> nn.Module:
    return Scaling(*(_of_channels(value, axes) for value in (layer.scale, layer.offset)))


def _of_channels(value: Any, axes: Axes) -> Tensor:
    """A number as it is; one for each channel, which Keras broadcasts along the last axis, is not told its rank."""
    found = torch.as_tensor(value, dtype=torch.float32)
    if found.ndim == 0:
        return found
    if found.ndim != 1 or not axes.channels_last:
        raise NotTranslated("a scaling that differs along other axes than the channels")
    return found


def _normalization(layer: Any, axes: Axes) -> nn.Module:
    """Keras: (x - mean) / max(sqrt(variance), epsilon), or the inverse of that."""
    mean, variance = (axes.inside(array(value)) for value in (layer.mean, layer.variance))
    deviation = variance.sqrt().clamp(min=1e-7)
    if layer.invert:
        return Scaling(deviation, mean)
    return Scaling(1 / deviation, -mean / deviation)


def _layer_scale(layer: Any, _axes: Axes) -> nn.Module:
    """Of ConvNeXt."""
    return Scaling(array(layer.gamma), torch.zeros(()))


LAYERS: tuple[tuple[str, Maker], ...] = (
    ("BatchNormalization", _batch_norm),
    ("LayerNormalization", _layer_norm),
    ("GroupNormalization", _group_norm),
    ("Rescaling", _rescaling),
    ("Normalization", _normalization),
    ("LayerScale", _layer_scale),
)
