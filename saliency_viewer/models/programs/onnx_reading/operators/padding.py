"""Padding of convolutions and pooling: even, uneven, and as wide as it takes to keep the size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.nn import functional

from saliency_viewer.models.programs.onnx_reading.reader import Node, Reader


def padded(
    reader: Reader, node: Node, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], fill: float = 0.0
) -> tuple[Any, list[int]]:
    """The input, padded where torch's operator cannot do it, and the padding that the operator is left to do."""
    begin, end = pads_of(reader, node, kernel, stride, dilation)
    widest = [size // 2 for size in kernel] if fill else begin
    if begin == end and all(pad <= most for pad, most in zip(begin, widest, strict=True)):
        return node[0], begin
    pairs = [number for pair in zip(reversed(begin), reversed(end), strict=True) for number in pair]
    return reader.emit(functional.pad, node[0], pairs, "constant", fill), [0] * len(kernel)


def pads_of(
    reader: Reader, node: Node, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Padding at the beginning and at the end of each spatial axis."""
    axes = len(kernel)
    way = node.get("auto_pad", "NOTSET")
    if way in ("NOTSET", "VALID"):
        pads = list(node.get("pads") or [0] * (2 * axes)) if way == "NOTSET" else [0] * (2 * axes)
        return pads[:axes], pads[axes:]
    sizes = reader.shape(node[0])[2:]
    totals = [
        max((math.ceil(size / step) - 1) * step + (reach - 1) * spread + 1 - size, 0)
        for size, step, reach, spread in zip(sizes, stride, kernel, dilation, strict=True)
    ]
    less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
    return (less, more) if way == "SAME_UPPER" else (more, less)
