"""Activations: functions by name, and the layers that are nothing else."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.models.from_keras.axes import Axes, NotTranslated, array

Maker = Callable[[Any, Axes], nn.Module]


class Softmax(nn.Module):
    """Softmax along one of Keras' axes."""

    def __init__(self, axis: int, axes: Axes) -> None:
        super().__init__()
        self.axis, self.axes = axis, axes

    def forward(self, values: Tensor) -> Tensor:
        """Of any shape."""
        return torch.softmax(values, self.axes.axis(self.axis, values.ndim))


class Exponential(nn.Module):
    """exp(x)."""

    def forward(self, values: Tensor) -> Tensor:
        """Of any shape."""
        return torch.exp(values)


class Keras2HardSigmoid(nn.Module):
    """0.2 x + 0.5 within 0 and 1; torch's and Keras 3's rises by a sixth."""

    def forward(self, values: Tensor) -> Tensor:
        """Of any shape."""
        return (0.2 * values + 0.5).clamp(0, 1)


class ElementwisePReLU(nn.Module):
    """A PReLU whose slopes differ from place to place: ``slopes`` (C, *spatial), or 1 where an axis shares them."""

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("slopes", slopes)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, *spatial)."""
        slopes = torch.as_tensor(self.slopes).expand(values.shape[1:])
        return nn.functional.prelu(values.flatten(1), slopes.flatten()).reshape(values.shape)


# Keras' name, and the module; numbers are the defaults of keras.activations.
_BY_NAME: tuple[tuple[str, Callable[[], nn.Module]], ...] = (
    ("relu", nn.ReLU),
    ("relu6", nn.ReLU6),
    ("leaky_relu", lambda: nn.LeakyReLU(0.2)),
    ("elu", nn.ELU),
    ("selu", nn.SELU),
    ("celu", nn.CELU),
    ("gelu", nn.GELU),
    ("silu", nn.SiLU),
    ("swish", nn.SiLU),
    ("mish", nn.Mish),
    ("sigmoid", nn.Sigmoid),
    ("hard_sigmoid", nn.Hardsigmoid),
    ("keras_2_hard_sigmoid", Keras2HardSigmoid),  # never a file's own word: put there by mending
    ("hard_silu", nn.Hardswish),
    ("hard_swish", nn.Hardswish),
    ("hard_tanh", nn.Hardtanh),
    ("tanh", nn.Tanh),
    ("tanh_shrink", nn.Tanhshrink),
    ("hard_shrink", nn.Hardshrink),
    ("soft_shrink", nn.Softshrink),
    ("softplus", nn.Softplus),
    ("softsign", nn.Softsign),
    ("log_sigmoid", nn.LogSigmoid),
    ("exponential", Exponential),
)


def activation(function: Any, axes: Axes) -> nn.Module | None:
    """The module for one of ``keras.activations``, None for the linear one. Raises :class:`NotTranslated`."""
    if isinstance(function, torch.nn.Module):  # on the torch backend a layer is one too
        return layer_of(function, axes)
    name = getattr(function, "__name__", str(function))
    if name == "linear":
        return None
    if name == "softmax":
        return Softmax(-1, axes)
    make = next((make for known, make in _BY_NAME if known == name), None)
    if make is None:
        raise NotTranslated(f"the activation '{name}'")
    return make()


def with_activation(parts: list[tuple[str, nn.Module]], function: Any, axes: Axes) -> nn.Module:
    """The parts, then the activation: one module when there is but one."""
    last = activation(function, axes)
    parts = parts + ([("activation", last)] if last is not None else [])
    return parts[0][1] if len(parts) == 1 else nn.Sequential(OrderedDict(parts))


def _activation_layer(layer: Any, axes: Axes) -> nn.Module:
    return activation(layer.activation, axes) or nn.Identity()


def _relu(layer: Any, _axes: Axes) -> nn.Module:
    slope, largest, threshold = (float(x or 0) for x in (layer.negative_slope, layer.max_value, layer.threshold))
    if threshold or (slope and layer.max_value is not None):
        raise NotTranslated(f"the ReLU '{layer.name}' with a threshold, or with both a slope and a largest value")
    if slope:
        return nn.LeakyReLU(slope)
    if layer.max_value is None:
        return nn.ReLU()
    return nn.ReLU6() if largest == 6 else nn.Hardtanh(0.0, largest)


def _prelu(layer: Any, axes: Axes) -> nn.Module:
    slopes = array(layer.alpha)
    inside = axes.inside(slopes[None])[0]
    if inside[0].numel() == 1 and inside.ndim > 1:  # one for each channel
        found = nn.PReLU(len(inside))
        found.weight.data.copy_(inside.flatten())
        return found
    return ElementwisePReLU(inside)


def _softmax(layer: Any, axes: Axes) -> nn.Module:
    axis = layer.axis
    if not isinstance(axis, int):
        if len(axis) != 1:
            raise NotTranslated(f"the softmax '{layer.name}' over several axes")
        axis = axis[0]
    return Softmax(axis, axes)


LAYERS: tuple[tuple[str, Maker], ...] = (
    ("Activation", _activation_layer),
    ("ReLU", _relu),
    ("LeakyReLU", lambda layer, _: nn.LeakyReLU(float(layer.negative_slope))),
    ("PReLU", _prelu),
    ("ELU", lambda layer, _: nn.ELU(float(layer.alpha))),
    ("Softmax", _softmax),
)


def layer_of(layer: Any, axes: Axes) -> nn.Module:
    """The translation of a layer that is an activation. Raises :class:`NotTranslated`."""
    for name, make in LAYERS:
        if name == type(layer).__name__:
            return make(layer, axes)
    raise NotTranslated(f"the activation layer '{type(layer).__name__}'")
