"""Functions of two or more tensors, value by value."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader

_PAIRS: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Equal": torch.eq,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
}
_MANY: dict[str, Callable[..., Any]] = {"Max": torch.maximum, "Min": torch.minimum, "Sum": torch.add}


def _number(operand: Any) -> Any:
    """A constant of one element as a plain number, which operators take without an axis of its own."""
    plain = isinstance(operand, Tensor) and operand.ndim == 0 and operand.dtype != torch.bool
    return operand.item() if plain else operand


def _pair(function: Callable[..., Any]) -> Handler:
    def handler(reader: Reader, node: Node) -> Any:
        first, second = node[0], node[1]
        both = isinstance(first, Tensor) and isinstance(second, Tensor)
        return reader.emit(function, first, second if both else _number(second))

    return handler


def _divide(reader: Reader, node: Node) -> Any:
    if reader.example(node[0]).is_floating_point():
        return reader.emit(torch.div, node[0], node[1] if isinstance(node[0], Tensor) else _number(node[1]))
    return reader.emit(torch.div, node[0], node[1], rounding_mode="trunc")


def _power(reader: Reader, node: Node) -> Any:
    return reader.emit(torch.pow, node[0], node[1] if isinstance(node[0], Tensor) else _number(node[1]))


def _remainder(reader: Reader, node: Node) -> Any:
    return reader.emit(torch.fmod if node.get("fmod", 0) else torch.remainder, node[0], node[1])


def _many(function: Callable[..., Any]) -> Handler:
    return lambda reader, node: functools.reduce(lambda a, b: reader.emit(function, a, b), node.inputs)


def _mean(reader: Reader, node: Node) -> Any:
    total = functools.reduce(lambda a, b: reader.emit(torch.add, a, b), node.inputs)
    return reader.emit(torch.div, total, float(len(node.inputs)))


def _where(reader: Reader, node: Node) -> Any:
    return reader.emit(torch.where, node[0], node[1], node[2])


def _if(reader: Reader, node: Node) -> Any:
    """The branch that is taken, which must not depend on the image."""
    return reader.branch(node.get("then_branch" if bool(node.constant(0)) else "else_branch"))


HANDLERS: dict[str, Handler] = {
    **{name: _pair(function) for name, function in _PAIRS.items()},
    **{name: _many(function) for name, function in _MANY.items()},
    "Div": _divide,
    "Pow": _power,
    "Mod": _remainder,
    "Mean": _mean,
    "Where": _where,
    "If": _if,
}
