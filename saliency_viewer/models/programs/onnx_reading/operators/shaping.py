"""Operators that move values: shapes, axes, parts. Shapes are those of the example, and so constants."""

from __future__ import annotations

import math
import operator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from saliency_viewer.models.programs.onnx_reading.reader import Handler, Node, Reader, Unsupported
from saliency_viewer.models.programs.room import require_room

_PADDING = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _shape(reader: Reader, node: Node) -> Any:
    shape = reader.shape(node[0])
    return torch.tensor(shape[slice(node.get("start", 0), node.get("end"))], dtype=torch.int64)


def _size(reader: Reader, node: Node) -> Any:
    return torch.tensor(math.prod(reader.shape(node[0])))


def _constant(_reader: Reader, node: Node) -> Any:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        found = node.get(name)
        if found is not None:
            return found if isinstance(found, Tensor) else torch.tensor(found)
    raise Unsupported("a constant that is sparse or text")


def _filled(_reader: Reader, node: Node) -> Any:
    value = node.get("value", torch.zeros(1))
    sizes = [int(size) for size in node.constant(0).reshape(-1)]
    require_room(sizes)
    return torch.full(sizes, value.item(), dtype=value.dtype)


def _range(_reader: Reader, node: Node) -> Any:
    start, stop, step = (node.constant(k).item() for k in range(3))
    require_room([max(0, math.ceil((stop - start) / step))])
    return torch.arange(start, stop, step)


def _reshape(reader: Reader, node: Node) -> Any:
    sizes, shape = node.numbers(1, "shape") or [], reader.shape(node[0])
    if not node.get("allowzero", 0):
        sizes = [shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return reader.emit(torch.reshape, node[0], sizes)


def _flatten(reader: Reader, node: Node) -> Any:
    shape = reader.shape(node[0])
    axis = node.get("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    if axis == 1:
        return reader.emit(torch.flatten, node[0], 1)
    return reader.emit(torch.reshape, node[0], [math.prod(shape[:axis]), math.prod(shape[axis:])])


def _transpose(reader: Reader, node: Node) -> Any:
    axes = node.get("perm") or list(range(len(reader.shape(node[0]))))[::-1]
    return reader.emit(torch.permute, node[0], list(axes))


def _squeeze(reader: Reader, node: Node) -> Any:
    axes = node.numbers(1, "axes")
    if axes is None:
        axes = [axis for axis, size in enumerate(reader.shape(node[0])) if size == 1]
    return reader.emit(torch.squeeze, node[0], tuple(axes))


def _unsqueeze(reader: Reader, node: Node) -> Any:
    axes = node.numbers(1, "axes") or []
    rank = len(reader.shape(node[0])) + len(axes)
    found = node[0]
    for axis in sorted(axis % rank for axis in axes):
        found = reader.emit(torch.unsqueeze, found, axis)
    return found


def _concat(reader: Reader, node: Node) -> Any:
    return reader.emit(torch.cat, list(node.inputs), node.get("axis"))


def _split(reader: Reader, node: Node) -> Any:
    axis = node.get("axis", 0)
    size = reader.shape(node[0])[axis]
    each = math.ceil(size / node.outputs)
    sizes = node.numbers(1, "split") or [min(each, size - k * each) for k in range(node.outputs)]
    return reader.parts(reader.emit(torch.split, node[0], sizes, axis), node.outputs)


def _slice(reader: Reader, node: Node) -> Any:
    """Parts of axes; torch takes no backward steps, so those axes are flipped first."""
    shape = reader.shape(node[0])
    starts, ends = node.numbers(1, "starts") or [], node.numbers(2, "ends") or []
    axes = node.numbers(3, "axes") or list(range(len(starts)))
    steps = node.numbers(4) or [1] * len(starts)
    taken, flipped = [slice(None)] * len(shape), []
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        places = range(shape[axis])[slice(start, end, step)]
        if places == range(shape[axis]):
            continue  # written out it would be a size, and the batch's is to stay open
        if step > 0:
            taken[axis] = slice(places.start, places.stop, step)
        else:
            flipped.append(axis)
            last = shape[axis] - 1
            taken[axis] = slice(last - places.start, last - places.stop, -step)
    found = reader.emit(torch.flip, node[0], flipped) if flipped else node[0]
    return found if all(part == slice(None) for part in taken) else reader.emit(operator.getitem, found, tuple(taken))


def _gather(reader: Reader, node: Node) -> Any:
    axis = node.get("axis", 0)
    size = reader.shape(node[0])[axis]
    indices = node.constant(1)
    indices = torch.where(indices < 0, indices + size, indices)
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < size:
        raise IndexError("an index outside of the axis")
    if torch.equal(indices.reshape(-1), torch.arange(size)):
        shape = reader.shape(node[0])  # so do exporters write that a tensor is read as it lies in memory
        axis %= len(shape)
        return reader.emit(torch.reshape, node[0], [*shape[:axis], *indices.shape, *shape[axis + 1 :]])
    if indices.ndim == 0:
        return reader.emit(torch.select, node[0], axis, int(indices))
    found = reader.emit(torch.index_select, node[0], axis, indices.reshape(-1))
    if indices.ndim == 1:
        return found
    return reader.emit(torch.unflatten, found, axis % len(reader.shape(node[0])), list(indices.shape))


def _gather_elements(reader: Reader, node: Node) -> Any:
    axis = node.get("axis", 0)
    indices = node.constant(1)
    return reader.emit(
        torch.gather, node[0], axis, torch.where(indices < 0, indices + reader.shape(node[0])[axis], indices)
    )


def _gather_nd(reader: Reader, node: Node) -> Any:
    """Values at constant places."""
    if node.get("batch_dims", 0):
        raise Unsupported("gathering by samples")
    return reader.emit(_read, node[0], node.constant(1))


def _read(values: Tensor, places: Tensor) -> Tensor:
    return values[tuple(places.unbind(-1))]


def _scatter_nd(reader: Reader, node: Node) -> Any:
    """Parts written into a tensor at constant places."""
    if node.get("reduction", "none") != "none":
        raise Unsupported("scattering that adds up")
    return reader.emit(_written, node[0], node.constant(1), node[2])


def _written(values: Tensor, places: Tensor, parts: Tensor) -> Tensor:
    return values.index_put(tuple(places.unbind(-1)), parts)


def _expand(reader: Reader, node: Node) -> Any:
    wanted: Any = torch.broadcast_shapes(  # type: ignore[no-untyped-call]
        reader.shape(node[0]), tuple(node.numbers(1) or ())
    )
    return node[0] if wanted == reader.shape(node[0]) else reader.emit(Tensor.expand, node[0], list(wanted))


def _tile(reader: Reader, node: Node) -> Any:
    return reader.emit(Tensor.repeat, node[0], node.numbers(1) or [])


def _pad(reader: Reader, node: Node) -> Any:
    pads = node.numbers(1, "pads") or []
    rank = len(reader.shape(node[0]))
    axes = node.numbers(3) or list(range(rank))
    begin, end = [0] * rank, [0] * rank
    for position, axis in enumerate(axes):
        begin[axis], end[axis] = pads[position], pads[position + len(axes)]
    if not any(begin + end):
        return node[0]
    mode = _PADDING[node.get("mode", "constant")]
    pairs = [number for pair in zip(reversed(begin), reversed(end), strict=True) for number in pair]
    if mode != "constant":
        while len(pairs) > 2 * (rank - 2) and not any(pairs[-2:]):
            pairs = pairs[:-2]
        return reader.emit(functional.pad, node[0], pairs, mode)
    value = node.get("value", 0.0) if node[2] is None else float(node.constant(2))
    return reader.emit(functional.pad, node[0], pairs, mode, value)


def _depth_to_space(reader: Reader, node: Node) -> Any:
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return reader.emit(functional.pixel_shuffle, node[0], block)
    count, channels, rows, columns = reader.shape(node[0])
    parts = reader.emit(torch.reshape, node[0], [count, block, block, channels // block**2, rows, columns])
    turned = reader.emit(torch.permute, parts, [0, 3, 4, 1, 5, 2])
    return reader.emit(torch.reshape, turned, [count, channels // block**2, rows * block, columns * block])


def _space_to_depth(reader: Reader, node: Node) -> Any:
    block = node.get("blocksize")
    count, channels, rows, columns = reader.shape(node[0])
    parts = reader.emit(torch.reshape, node[0], [count, channels, rows // block, block, columns // block, block])
    turned = reader.emit(torch.permute, parts, [0, 3, 5, 1, 2, 4])
    return reader.emit(torch.reshape, turned, [count, channels * block**2, rows // block, columns // block])


def _triangle(reader: Reader, node: Node) -> Any:
    diagonal = 0 if node[1] is None else int(node.constant(1))
    return reader.emit(torch.triu if node.get("upper", 1) else torch.tril, node[0], diagonal)


HANDLERS: dict[str, Handler] = {
    "Shape": _shape,
    "Size": _size,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Range": _range,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "ScatterND": _scatter_nd,
    "Expand": _expand,
    "Tile": _tile,
    "Pad": _pad,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Trilu": _triangle,
}
