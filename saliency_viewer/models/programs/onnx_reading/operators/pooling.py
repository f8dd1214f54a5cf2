"""Pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from saliency_viewer.models.programs.onnx_reading.operators.padding import padded, pads_of
from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader, Unsupported

_MAXIMA = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
_AVERAGES = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)
_ALL_AVERAGE = (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)
_ALL_MAXIMUM = (functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d)


def _max_pool(reader: Reader, node: Node) -> Any:
    kernel, stride, dilation = _window(node)
    given, padding = padded(reader, node, kernel, stride, dilation, -math.inf)
    ceiling = bool(node.get("ceil_mode", 0))
    return reader.emit(_MAXIMA[len(kernel) - 1], given, kernel, stride, padding, dilation, ceiling)


def _average_pool(reader: Reader, node: Node) -> Any:
    kernel, stride, dilation = _window(node)
    if any(spread != 1 for spread in dilation):
        raise Unsupported("average pooling with dilation")
    begin, end = pads_of(reader, node, kernel, stride, dilation)
    ceiling, counts_padding = bool(node.get("ceil_mode", 0)), bool(node.get("count_include_pad", 0))
    function = _AVERAGES[len(kernel) - 1]
    fits = all(pad <= size // 2 for pad, size in zip(begin, kernel, strict=True))
    if begin == end and fits:
        return reader.emit(function, node[0], kernel, stride, begin, ceiling, counts_padding)
    pairs = [number for pair in zip(reversed(begin), reversed(end), strict=True) for number in pair]
    wider = reader.emit(functional.pad, node[0], pairs, "constant", 0.0)
    averaged = reader.emit(function, wider, kernel, stride, 0, ceiling)
    if counts_padding:
        return averaged
    inside = functional.pad(torch.ones((1, 1, *reader.shape(node[0])[2:])), pairs)
    share = function(inside, kernel, stride, 0, ceiling)  # how much of each window is image
    return reader.emit(torch.div, averaged, share)


def _window(node: Node) -> tuple[list[int], list[int], list[int]]:
    kernel = list(node.get("kernel_shape"))
    ones = [1] * len(kernel)
    return kernel, list(node.get("strides") or ones), list(node.get("dilations") or ones)


def _whole(functions: Sequence[Any]) -> Handler:
    def handler(reader: Reader, node: Node) -> Any:
        axes = len(reader.shape(node[0])) - 2
        if axes in (1, 2, 3):
            return reader.emit(functions[axes - 1], node[0], 1)
        raise Unsupported("pooling over other than one to three axes")

    return handler


def _lp_pool(reader: Reader, node: Node) -> Any:
    return reader.emit(torch.linalg.vector_norm, node[0], node.get("p", 2), _spatial(reader, node), True)


def _spatial(reader: Reader, node: Node) -> list[int]:
    return list(range(2, len(reader.shape(node[0]))))


HANDLERS: dict[str, Handler] = {
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _whole(_ALL_AVERAGE),
    "GlobalMaxPool": _whole(_ALL_MAXIMUM),
    "GlobalLpPool": _lp_pool,
}
