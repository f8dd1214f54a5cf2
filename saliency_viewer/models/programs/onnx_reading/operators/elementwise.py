"""Functions of one tensor, value by value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.models.programs.onnx_reading.file import BOOLEAN, FLOATING, WHOLE
from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader, Unsupported

_LIMITLESS = 1e30  # clips wider than this were written for no limit
_PLAIN: dict[str, Callable[..., Any]] = {
    "Relu": functional.relu,
    "Sigmoid": torch.sigmoid,
    "Tanh": torch.tanh,
    "HardSwish": functional.hardswish,
    "Mish": functional.mish,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "Exp": torch.exp,
    "Log": torch.log,
    "Sqrt": torch.sqrt,
    "Reciprocal": torch.reciprocal,
    "Erf": torch.erf,
    "Neg": torch.neg,
    "Abs": torch.abs,
    "Sign": torch.sign,
    "Floor": torch.floor,
    "Ceil": torch.ceil,
    "Round": torch.round,
    "Sin": torch.sin,
    "Cos": torch.cos,
    "Not": torch.logical_not,
    "IsNaN": torch.isnan,
    "IsInf": torch.isinf,
}


def _plain(function: Callable[..., Any]) -> Handler:
    return lambda reader, node: reader.emit(function, node[0])


def _identity(_reader: Reader, node: Node) -> Any:
    return node[0]


def _leaky_relu(reader: Reader, node: Node) -> Any:
    return reader.emit(functional.leaky_relu, node[0], node.get("alpha", 0.01))


def _elu(reader: Reader, node: Node) -> Any:
    return reader.emit(functional.elu, node[0], node.get("alpha", 1.0))


def _celu(reader: Reader, node: Node) -> Any:
    return reader.emit(functional.celu, node[0], node.get("alpha", 1.0))


def _selu(reader: Reader, node: Node) -> Any:
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    if math.isclose(alpha, 1.6732632, rel_tol=1e-4) and math.isclose(gamma, 1.050701, rel_tol=1e-4):
        return reader.emit(functional.selu, node[0])
    return reader.emit(torch.mul, reader.emit(functional.elu, node[0], alpha), gamma)


def _gelu(reader: Reader, node: Node) -> Any:
    way = node.get("approximate", "none")
    return reader.emit(functional.gelu, node[0], **({} if way == "none" else {"approximate": way}))


def _swish(reader: Reader, node: Node) -> Any:
    alpha = node.get("alpha", 1.0)
    if alpha == 1.0:
        return reader.emit(functional.silu, node[0])
    gate = reader.emit(torch.sigmoid, reader.emit(torch.mul, node[0], alpha))
    return reader.emit(torch.mul, node[0], gate)


def _prelu(reader: Reader, node: Node) -> Any:
    slope = node.constant(1)
    lined_up = (1,) * (len(reader.shape(node[0])) - slope.ndim) + tuple(slope.shape)
    if slope.numel() > 1 and slope.numel() != lined_up[1]:
        raise Unsupported("PRelu with slopes that differ over space")
    weight = reader.weight(slope.reshape(-1), "weight")
    return reader.emit(functional.prelu, node[0], weight)


def _hard_sigmoid(reader: Reader, node: Node) -> Any:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-4) and beta == 0.5:
        return reader.emit(functional.hardsigmoid, node[0])
    line = reader.emit(torch.add, reader.emit(torch.mul, node[0], alpha), beta)
    return reader.emit(torch.clamp, line, 0.0, 1.0)


def _clip(reader: Reader, node: Node) -> Any:
    """A rectifier, a rectifier up to six, or a clip between other limits."""
    low = _limit(node, 1, "min", -math.inf)
    high = _limit(node, 2, "max", math.inf)
    if (low, high) == (-math.inf, math.inf):
        return node[0]
    if (low, high) == (0.0, math.inf):
        return reader.emit(functional.relu, node[0])
    if (low, high) == (0.0, 6.0):
        return reader.emit(functional.relu6, node[0])
    if low > -math.inf and high < math.inf and reader.example(node[0]).is_floating_point():
        return reader.emit(functional.hardtanh, node[0], low, high)
    return reader.emit(torch.clamp, node[0], *(None if abs(end) == math.inf else end for end in (low, high)))


def _limit(node: Node, position: int, name: str, default: float) -> float:
    given = node.get(name, default) if node[position] is None else float(node.constant(position))
    return default if abs(given) > _LIMITLESS else float(given)


def _cast(reader: Reader, node: Node) -> Any:
    """To another kind of number; between precisions nothing is to be done."""
    kind = node.get("to")
    if kind in FLOATING:
        return _as(reader, node, torch.float32)
    if kind in WHOLE:
        return _as(reader, node, torch.int64)
    if kind == BOOLEAN:
        return _as(reader, node, torch.bool)
    raise Unsupported("a cast to text, complex numbers or numbers of less than 8 bits")


def _cast_like(reader: Reader, node: Node) -> Any:
    return _as(reader, node, reader.example(node[1]).dtype)


def _as(reader: Reader, node: Node, dtype: torch.dtype) -> Any:
    return node[0] if reader.example(node[0]).dtype == dtype else reader.emit(Tensor.to, node[0], dtype)


def _softmax(function: Callable[..., Any]) -> Handler:
    """Before version 13 over all axes from the given one on, taken together."""

    def handler(reader: Reader, node: Node) -> Any:
        shape = reader.shape(node[0])
        axis = node.get("axis", -1 if node.opset >= 13 else 1) % len(shape)
        if node.opset >= 13 or axis == len(shape) - 1:
            return reader.emit(function, node[0], axis if axis < len(shape) - 1 else -1)
        flat = reader.emit(torch.flatten, node[0], axis)
        return reader.emit(torch.unflatten, reader.emit(function, flat, -1), axis, list(shape[axis:]))

    return handler


HANDLERS: dict[str, Handler] = {
    **{name: _plain(function) for name, function in _PLAIN.items()},
    "Identity": _identity,
    "LeakyRelu": _leaky_relu,
    "Elu": _elu,
    "Celu": _celu,
    "Selu": _selu,
    "Gelu": _gelu,
    "Swish": _swish,
    "PRelu": _prelu,
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Softmax": _softmax(torch.softmax),
    "LogSoftmax": _softmax(torch.log_softmax),
}
