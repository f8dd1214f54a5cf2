"""The operations of keras.ops that stand in a network as layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.models.from_keras.activations import Maker, activation
from saliency_viewer.models.from_keras.axes import Axes, NotTranslated


class Operation(nn.Module):
    """A function of tensors and constants, which are brought to Keras' order of axes only where that matters."""

    def __init__(self, function: Callable[..., Any], axes: Axes, label: str) -> None:
        super().__init__()
        self.function, self.axes, self.label = function, axes, label

    def extra_repr(self) -> str:
        """For the layer tree."""
        return self.label

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """What the operation takes."""
        return self.function(self.axes, *arguments, **options)


def _constant(value: Any, axes: Axes, like: Tensor) -> Any:
    """A number as it is; an array as a tensor in our order of axes, with as many axes as ``like``."""
    if isinstance(value, (int, float)):
        return value
    found = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    return axes.inside(found.reshape(*[1] * (like.ndim - found.ndim), *found.shape))


def _binary(function: Callable[[Any, Any], Tensor]) -> Callable[..., Tensor]:
    def run(axes: Axes, first: Any, second: Any) -> Tensor:
        like = first if isinstance(first, Tensor) else second
        pair = [
            value if isinstance(value, Tensor) and value.ndim == like.ndim else _operand(value, axes, like)
            for value in (first, second)
        ]
        return function(*pair)

    return run


def _operand(value: Any, axes: Axes, like: Tensor) -> Any:
    if isinstance(value, Tensor):
        raise NotTranslated("an operation on tensors with unequal numbers of axes")
    return _constant(value, axes, like)


def _reduced(function: Callable[..., Tensor], operation: Any) -> Callable[..., Tensor]:
    """Over the operation's ``axis``: in our order unless the channels themselves are reduced."""
    listed, keep = operation.axis, bool(operation.keepdims)

    def run(axes: Axes, values: Tensor) -> Tensor:
        rank = values.ndim
        given = range(rank) if listed is None else [listed] if isinstance(listed, int) else listed
        wanted = {axis % rank for axis in given}
        if rank - 1 in wanted and not keep:
            return axes.inside(function(axes.outside(values), tuple(sorted(wanted))))
        return function(values, tuple(sorted(axes.axis(axis, rank) for axis in wanted)), keep)

    return run


def _in_keras_order(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda axes, values, *rest, **options: axes.inside(function(axes.outside(values), *rest, **options))


def _item(values: Tensor, key: Any) -> Tensor:
    return values[tuple(key) if isinstance(key, (list, tuple)) else key]


def _concatenated(axis: int) -> Callable[..., Tensor]:
    return lambda axes, tensors: torch.cat(list(tensors), axes.axis(axis, tensors[0].ndim))


def _plain(function: Callable[[Tensor], Tensor]) -> Maker:
    """Of single values, in whatever order."""
    return lambda operation, axes: Operation(lambda _, values: function(values), axes, operation.name)


def _of_two(function: Callable[[Any, Any], Tensor]) -> Maker:
    return lambda operation, axes: Operation(_binary(function), axes, operation.name)


def _over_axes(function: Callable[..., Tensor]) -> Maker:
    return lambda operation, axes: Operation(_reduced(function, operation), axes, operation.name)


def _named(name: str) -> Maker:
    return lambda _, axes: activation(name, axes) or nn.Identity()


def _softmax(operation: Any, axes: Axes) -> nn.Module:
    if operation.axis not in (-1,):
        raise NotTranslated("a softmax over another axis than the last")
    return activation("softmax", axes) or nn.Identity()


def _leaky(operation: Any, _axes: Axes) -> nn.Module:
    return nn.LeakyReLU(float(operation.negative_slope))


def _clip(operation: Any, axes: Axes) -> nn.Module:
    low, high = float(operation.x_min), float(operation.x_max)
    return Operation(lambda _, values: values.clamp(low, high), axes, operation.name)


def _flip(operation: Any, axes: Axes) -> nn.Module:
    listed = operation.axis

    def run(axes: Axes, values: Tensor) -> Tensor:
        given = range(values.ndim) if listed is None else [listed] if isinstance(listed, int) else listed
        return values.flip([axes.axis(axis, values.ndim) for axis in given])

    return Operation(run, axes, operation.name)


def _reshape(operation: Any, axes: Axes) -> nn.Module:
    shape = tuple(operation.newshape)
    return Operation(
        _in_keras_order(lambda values: values.reshape(len(values), *shape[1:])), axes, f"{operation.name} {shape}"
    )


def _transpose(operation: Any, axes: Axes) -> nn.Module:
    order = operation.axes
    return Operation(
        _in_keras_order(lambda values: values.permute(order or tuple(range(values.ndim))[::-1])), axes, operation.name
    )


OPERATIONS: tuple[tuple[str, Maker], ...] = (
    ("Add", _of_two(lambda a, b: a + b)),
    ("Subtract", _of_two(lambda a, b: a - b)),
    ("Multiply", _of_two(lambda a, b: a * b)),
    ("Divide", _of_two(lambda a, b: a / b)),
    ("TrueDivide", _of_two(lambda a, b: a / b)),
    ("Power", _of_two(lambda a, b: a**b)),
    ("Mean", _over_axes(torch.mean)),
    ("Sum", _over_axes(torch.sum)),
    ("Max", _over_axes(torch.amax)),
    ("Min", _over_axes(torch.amin)),
    ("Negative", _plain(torch.neg)),
    ("Absolute", _plain(torch.abs)),
    ("Square", _plain(torch.square)),
    ("Sqrt", _plain(torch.sqrt)),
    ("Exp", _plain(torch.exp)),
    ("Log", _plain(torch.log)),
    ("Cast", lambda _operation, _axes: nn.Identity()),
    ("GetItem", lambda operation, axes: Operation(_in_keras_order(_item), axes, operation.name)),
    ("Concatenate", lambda operation, axes: Operation(_concatenated(int(operation.axis)), axes, operation.name)),
    ("Reshape", _reshape),
    ("Transpose", _transpose),
    ("Clip", _clip),
    ("Flip", _flip),
    ("Softmax", _softmax),
    ("LeakyRelu", _leaky),
    *(
        (name, _named(keras))
        for name, keras in (
            *(("Relu", "relu"), ("Relu6", "relu6"), ("Silu", "silu"), ("Sigmoid", "sigmoid"), ("Tanh", "tanh")),
            *(("HardSigmoid", "hard_sigmoid"), ("HardSilu", "hard_silu"), ("Softplus", "softplus")),
            *(("Softsign", "softsign"), ("Selu", "selu")),
        )
    ),
)
