"""Convolutions, linear layers, normalisations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.onnx_reading.operators.padding import padded
from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader, Unsupported
from saliency_viewer.models.programs.recorder import Operand

_CONVOLUTIONS = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)
_TINY = torch.finfo(torch.float32).tiny  # zero vectors stay zero


def _named(reader: Reader, node: Node, position: int, name: str, statistic: bool = False) -> Operand:
    """An input under the name that the layer's modules use for it."""
    given = node[position]
    return reader.weight(given, name, statistic) if isinstance(given, Tensor) else given


def _conv(reader: Reader, node: Node) -> Any:
    weight = _named(reader, node, 1, "weight")
    kernel = reader.shape(weight)[2:]
    stride = node.get("strides") or [1] * len(kernel)
    dilation = node.get("dilations") or [1] * len(kernel)
    given, padding = padded(reader, node, kernel, stride, dilation)
    bias = _named(reader, node, 2, "bias")
    function = _CONVOLUTIONS[len(kernel) - 1]
    return reader.emit(function, given, weight, bias, stride, padding, dilation, node.get("group", 1))


def _conv_transpose(reader: Reader, node: Node) -> Any:
    weight = _named(reader, node, 1, "weight")
    axes = len(reader.shape(weight)) - 2
    pads = node.get("pads") or [0] * (2 * axes)
    if node.get("auto_pad", "NOTSET") != "NOTSET" or node.get("output_shape") or pads[:axes] != pads[axes:]:
        raise Unsupported("uneven padding")
    ones = [1] * axes
    return reader.emit(
        _TRANSPOSED[axes - 1],
        node[0],
        weight,
        _named(reader, node, 2, "bias"),
        node.get("strides") or ones,
        pads[:axes],
        node.get("output_padding") or [0] * axes,
        node.get("group", 1),
        node.get("dilations") or ones,
    )


def _gemm(reader: Reader, node: Node) -> Any:
    """Alpha A B + beta C: a linear layer where B is a constant."""
    given, matrix, bias = node[0], node[1], node[2]
    if node.get("transA", 0):
        given = reader.emit(torch.t, given)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if not node.get("transB", 0):
        matrix = reader.emit(_turned, matrix)
    matrix = matrix if alpha == 1.0 else reader.emit(torch.mul, matrix, alpha)
    bias = bias if bias is None or beta == 1.0 else reader.emit(torch.mul, bias, beta)
    width = reader.shape(matrix)[0]
    if isinstance(bias, Tensor) and (bias.numel() == 1 or bias.numel() == width == bias.shape[-1]):
        bias = bias.reshape(-1).expand(width).contiguous()
        return _linear(reader, given, matrix, bias)
    product = _linear(reader, given, matrix, None)
    return product if bias is None else reader.emit(torch.add, product, bias)


def _linear(reader: Reader, given: Any, matrix: Any, bias: Any) -> Any:
    matrix = reader.weight(matrix, "weight") if isinstance(matrix, Tensor) else matrix
    bias = reader.weight(bias, "bias") if isinstance(bias, Tensor) else bias
    return reader.emit(functional.linear, given, matrix, bias)


def _turned(matrix: Tensor) -> Tensor:
    return matrix.t().contiguous()


def _matmul(reader: Reader, node: Node) -> Any:
    """A linear layer where the second factor is a constant matrix."""
    if isinstance(node[1], Tensor) and node[1].ndim == 2 and len(reader.shape(node[0])) > 1:
        return _linear(reader, node[0], reader.emit(_turned, node[1]), None)
    return reader.emit(torch.matmul, node[0], node[1])


def _batch_norm(reader: Reader, node: Node) -> Any:
    epsilon = node.get("epsilon", 1e-5)
    if node.get("training_mode", 0) or (node.opset < 14 and node.outputs > 1):
        if isinstance(node[0], Tensor):  # weights that are standardised anew
            return reader.emit(functional.batch_norm, node[0], None, None, node[1], node[2], True, 0.1, epsilon)
        raise UserError(
            "The ONNX network was exported in training mode: its answers depend on the whole batch.",
            "Export it again after network.eval().",
        )
    statistics = [_named(reader, node, k, name, True) for k, name in ((3, "running_mean"), (4, "running_var"))]
    trained = [_named(reader, node, k, name) for k, name in ((1, "weight"), (2, "bias"))]
    return reader.emit(functional.batch_norm, node[0], *statistics, *trained, False, 0.1, epsilon)


def _instance_norm(reader: Reader, node: Node) -> Any:
    trained = [_named(reader, node, k, name) for k, name in ((1, "weight"), (2, "bias"))]
    return reader.emit(functional.instance_norm, node[0], None, None, *trained, True, 0.1, node.get("epsilon", 1e-5))


def _layer_norm(reader: Reader, node: Node) -> Any:
    shape = reader.shape(node[0])
    axis = node.get("axis", -1) % len(shape)
    normalised = list(shape[axis:])
    trained = [
        reader.weight(one.expand(normalised).contiguous(), name) if isinstance(one, Tensor) else one
        for one, name in ((node[1], "weight"), (node[2], "bias"))
    ]
    return reader.emit(functional.layer_norm, node[0], normalised, *trained, node.get("epsilon", 1e-5))


def _group_norm(reader: Reader, node: Node) -> Any:
    groups, channels = node.get("num_groups"), reader.shape(node[0])[1]
    trained = [node[1], node[2]]
    if reader.shape(node[1])[0] != channels:  # until version 20 one number for each group
        trained = [reader.emit(torch.repeat_interleave, one, channels // groups) for one in trained]
    named = [
        reader.weight(one, name) if isinstance(one, Tensor) else one
        for one, name in zip(trained, ("weight", "bias"), strict=True)
    ]
    return reader.emit(functional.group_norm, node[0], groups, *named, node.get("epsilon", 1e-5))


def _rms_norm(reader: Reader, node: Node) -> Any:
    shape = reader.shape(node[0])
    normalised = list(shape[node.get("axis", -1) % len(shape) :])
    weight = _named(reader, node, 1, "weight")
    return reader.emit(functional.rms_norm, node[0], normalised, weight, node.get("epsilon", 1e-5))


def _local_response_norm(reader: Reader, node: Node) -> Any:
    if node.get("size") % 2 == 0:
        raise Unsupported("local response normalisation over an even number of channels, which torch centres otherwise")
    settings = (node.get("size"), node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0))
    return reader.emit(functional.local_response_norm, node[0], *settings)


def _lp_norm(reader: Reader, node: Node) -> Any:
    return reader.emit(functional.normalize, node[0], float(node.get("p", 2)), node.get("axis", -1), _TINY)


def _dropout(_reader: Reader, node: Node) -> Any:
    """Nothing, unless the file was exported in training mode."""
    if isinstance(node[2], Tensor) and bool(node[2].any()):
        raise UserError(
            "The ONNX network was exported in training mode: it drops values by chance.",
            "Export it again after network.eval().",
        )
    return node[0]


def _random(_reader: Reader, node: Node) -> Any:
    raise UserError(
        f"The ONNX network draws random numbers ('{node.op}'), so that it gives another answer each time.",
        "Export it again after network.eval().",
    )


HANDLERS: dict[str, Handler] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "RMSNormalization": _rms_norm,
    "LRN": _local_response_norm,
    "LpNormalization": _lp_norm,
    "Dropout": _dropout,
    **dict.fromkeys(("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli"), _random),
}
