"""Operators that leave positions apart: pointwise ones, normalisation, concatenation of channels, and padding."""

from __future__ import annotations

from math import prod

from saliency_viewer.attribution.incremental.window_call import WindowCall, swapped
from saliency_viewer.attribution.incremental.windows import Windows, bounding, cut, paste, small
from saliency_viewer.attribution.operators import tensors_in


def pointwise(todo: WindowCall) -> Windows | None:
    """Operators whose output at a position depends on their inputs at that position alone."""
    operands = list(todo.windows.values())
    if any(operand.grid != tuple(todo.base.shape[2:]) for operand in operands) or not _flat_constants(todo):
        return None
    starts, size = bounding(operands)
    if not small(size, operands[0].grid):
        return None
    blocks = {key: operand.block(starts, size) for key, operand in todo.windows.items()}
    args, kwargs = swapped((todo.call.args, todo.call.kwargs), lambda tensor: blocks.get(id(tensor), tensor))
    return Windows(todo.call.function(*args, **kwargs), starts, todo.base)


def _flat_constants(todo: WindowCall) -> bool:
    """Whether all other tensors are the same at every position."""
    axes = todo.base.ndim - 2
    others = [t for t in tensors_in([todo.call.args, todo.call.kwargs]) if id(t) not in todo.windows]
    return all(prod(tensor.shape[-axes:]) == 1 for tensor in others)


def channelwise(todo: WindowCall) -> Windows | None:
    """One input and constants for each channel, such as batch normalisation in evaluation mode."""
    inputs = todo.input
    if inputs is None or len(todo.windows) > 1 or inputs.base.shape != todo.base.shape:
        return None
    args, kwargs = swapped(
        (todo.call.args, todo.call.kwargs), lambda tensor: inputs.data if tensor is todo.call.input else tensor
    )
    return Windows(todo.call.function(*args, **kwargs), inputs.starts, todo.base)


def normalisation(todo: WindowCall) -> Windows | None:
    """batch_norm with stored statistics; others look at all positions."""
    return None if todo.call.argument(5, "training", False) else channelwise(todo)


def joining(todo: WindowCall) -> Windows | None:
    """Concatenation along the channels."""
    call = todo.call
    parts = [todo.windows.get(id(tensor)) for tensor in call.argument(0, "tensors", ())]
    operands = [part for part in parts if part is not None]
    grid = tuple(todo.base.shape[2:])
    if call.argument(1, "dim", 0) not in (1, 1 - todo.base.ndim) or len(operands) < len(parts):
        return None
    if any(operand.grid != grid for operand in operands):
        return None
    starts, size = bounding(operands)
    if not small(size, grid):
        return None
    # The joined base is there already: one copy of it, and only what changed is written over it.
    joined, channel = cut(todo.base, starts, size, 0.0), 0
    for operand in operands:
        width = operand.data.shape[1]
        paste(joined[:, channel : channel + width], starts, operand.data, operand.starts)
        channel += width
    return Windows(joined, starts, todo.base)


def padding(todo: WindowCall) -> Windows | None:
    """Constant padding of the spatial axes, which moves windows and leaves them as they are."""
    call, inputs = todo.call, todo.input
    amounts = list(call.argument(1, "pad", ()))
    if inputs is None or call.argument(2, "mode", "constant") != "constant" or min(amounts, default=-1) < 0:
        return None
    axes = len(inputs.grid)
    if len(amounts) > 2 * axes:
        return None
    before = [0] * axes
    for number, amount in enumerate(amounts[::2]):  # the last axis comes first
        before[axes - 1 - number] = amount
    starts = tuple(tuple(s + b for s, b in zip(start, before, strict=True)) for start in inputs.starts)
    return Windows(inputs.data.clone(), starts, todo.base)
