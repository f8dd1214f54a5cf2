"""Sums, means and extremes over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader, Unsupported


def _over(function: Callable[..., Any]) -> Handler:
    """Axes are an attribute in older versions and an input in newer ones; without any, all of them."""

    def handler(reader: Reader, node: Node) -> Any:
        axes = node.numbers(1, "axes")
        if not axes and node.get("noop_with_empty_axes", 0):
            return node[0]
        return reader.emit(
            function, node[0], axes or list(range(len(reader.shape(node[0])))), bool(node.get("keepdims", 1))
        )

    return handler


def _square_sum(values: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(values * values, axes, keep)


def _absolute_sum(values: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(torch.abs(values), axes, keep)


def _length(values: Tensor, axes: list[int], keep: bool) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(values, 2, axes, keep)
    return length


def _log_sum(values: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.log(torch.sum(values, axes, keep))


def _product(values: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % values.ndim for axis in axes), reverse=True):
        values = torch.prod(values, axis, keep)
    return values


def _extreme(function: Callable[..., Any]) -> Handler:
    """The place of the largest or smallest value."""

    def handler(reader: Reader, node: Node) -> Any:
        if node.get("select_last_index", 0):
            raise Unsupported("the last of several largest values")
        return reader.emit(function, node[0], node.get("axis", 0), bool(node.get("keepdims", 1)))

    return handler


def _running_sum(reader: Reader, node: Node) -> Any:
    if node.get("exclusive", 0) or node.get("reverse", 0):
        raise Unsupported("a running sum backwards or without its own value")
    return reader.emit(torch.cumsum, node[0], int(node.constant(1)))


HANDLERS: dict[str, Handler] = {
    "ReduceMean": _over(torch.mean),
    "ReduceSum": _over(torch.sum),
    "ReduceMax": _over(torch.amax),
    "ReduceMin": _over(torch.amin),
    "ReduceProd": _over(_product),
    "ReduceL1": _over(_absolute_sum),
    "ReduceL2": _over(_length),
    "ReduceSumSquare": _over(_square_sum),
    "ReduceLogSum": _over(_log_sum),
    "ReduceLogSumExp": _over(torch.logsumexp),
    "ArgMax": _extreme(torch.argmax),
    "ArgMin": _extreme(torch.argmin),
    "CumSum": _running_sum,
}
