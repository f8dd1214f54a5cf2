"""Operators that slide a kernel over their input: convolutions and poolings."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from torch import Tensor
from torch.nn import functional

from saliency_viewer.attribution.geometry import each
from saliency_viewer.attribution.incremental.reach import Reach
from saliency_viewer.attribution.incremental.window_call import WindowCall
from saliency_viewer.attribution.incremental.windows import Size, Start, Windows, small
from saliency_viewer.attribution.operators import Call

# What an operator without padding gives for a block of inputs, whose outputs begin at these positions.
_Run = Callable[[Tensor, tuple[Start, ...]], Tensor]


def _slide(todo: WindowCall, reach: Reach, fill: float, run: _Run) -> Windows | None:
    """Cut what the reached outputs read, with the operator's own padding value, and run it without padding."""
    inputs = todo.input
    if inputs is None or len(todo.windows) > 1 or todo.base.ndim != inputs.base.ndim:
        return None
    grid = tuple(todo.base.shape[2:])
    starts, size = reach.outputs(inputs.starts, inputs.size, grid)
    if not small(size, grid):
        return None
    block = inputs.block(tuple(map(reach.input_start, starts)), reach.input_size(size), fill)
    return Windows(run(block, starts), starts, todo.base)


_CONVOLUTIONS: dict[str, Callable[..., Tensor]] = {
    "conv1d": functional.conv1d,
    "conv2d": functional.conv2d,
    "conv3d": functional.conv3d,
}


def convolution(todo: WindowCall) -> Windows | None:
    """conv1d, conv2d, conv3d."""
    call = todo.call
    weight, bias = call.argument(1, "weight"), call.argument(2, "bias")
    axes = weight.ndim - 2
    stride, dilation = each(call.argument(3, "stride", 1), axes), each(call.argument(5, "dilation", 1), axes)
    kernel = tuple(weight.shape[2:])
    reach = Reach(kernel, stride, _before(call.argument(4, "padding", 0), kernel, dilation), dilation)
    groups = call.argument(6, "groups", 1)
    run = _CONVOLUTIONS[call.name]
    return _slide(todo, reach, 0.0, lambda block, _: run(block, weight, bias, stride, 0, dilation, groups))


def _before(padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    if padding == "valid":
        return (0,) * len(kernel)
    if padding == "same":  # an odd rest goes behind
        return tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    return each(padding, len(kernel))


_MAXIMA: dict[str, Callable[..., Tensor]] = {
    "max_pool1d": functional.max_pool1d,
    "max_pool2d": functional.max_pool2d,
    "max_pool3d": functional.max_pool3d,
}
_AVERAGES: dict[str, Callable[..., Tensor]] = {
    "avg_pool1d": functional.avg_pool1d,
    "avg_pool2d": functional.avg_pool2d,
    "avg_pool3d": functional.avg_pool3d,
}


def _pooling_reach(call: Call, dilation: Any) -> Reach:
    axes = int(call.name[-2])
    kernel = each(call.argument(1, "kernel_size"), axes)
    stride = call.argument(2, "stride")
    # torch reads an empty stride as none, too.
    step = kernel if stride is None or stride == [] or stride == () else each(stride, axes)
    return Reach(kernel, step, each(call.argument(3, "padding", 0), axes), each(dilation, axes))


def max_pooling(todo: WindowCall) -> Windows | None:
    """max_pool1d, max_pool2d, max_pool3d, without indices."""
    call = todo.call
    if call.argument(6, "return_indices", False):
        return None
    reach = _pooling_reach(call, call.argument(4, "dilation", 1))
    run = _MAXIMA[call.name]
    return _slide(
        todo, reach, float("-inf"), lambda block, _: run(block, reach.kernel, reach.stride, 0, reach.dilation)
    )


def average_pooling(todo: WindowCall) -> Windows | None:
    """avg_pool1d, avg_pool2d, avg_pool3d."""
    call = todo.call
    reach = _pooling_reach(call, 1)
    with_padding, divisor = call.argument(5, "count_include_pad", True), call.argument(6, "divisor_override")
    even = not any(reach.before) or with_padding  # every average is over the whole kernel
    even = even and not call.argument(4, "ceil_mode", False) and divisor is None
    grid = todo.input.grid if todo.input is not None else ()
    run = _AVERAGES[call.name]

    def average(block: Tensor, starts: tuple[Start, ...]) -> Tensor:
        mean = run(block, reach.kernel, reach.stride)
        if even:
            return mean
        size = tuple(mean.shape[2:])
        counts = divisor or _counts(reach, starts, size, grid, with_padding, mean)
        return mean * (prod(reach.kernel) / counts)

    return _slide(todo, reach, 0.0, average)


def _counts(
    reach: Reach, starts: tuple[Start, ...], size: Size, grid: Size, padded: bool,
    like: Tensor,
) -> Tensor:  # fmt: skip
    """(B, 1, *size): how many positions each average is over; a kernel at the border loses those outside."""
    total = like.new_ones((len(starts), 1, *size))
    for axis, (kernel, stride, before, whole) in enumerate(
        zip(reach.kernel, reach.stride, reach.before, grid, strict=True)
    ):
        counts = []
        for start in starts:
            firsts = [(start[axis] + k) * stride - before for k in range(size[axis])]
            if padded:
                counts.append([min(first + kernel, whole + before) - first for first in firsts])
            else:
                counts.append([min(first + kernel, whole) - max(first, 0) for first in firsts])
        shape = [len(starts), *[1] * (1 + len(size))]
        shape[2 + axis] = size[axis]
        total = total * like.new_tensor(counts).reshape(shape)
    return total
