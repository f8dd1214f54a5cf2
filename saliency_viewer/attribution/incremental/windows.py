"""Windows: the part of a feature map that a patch can have changed, for a batch of patches of one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

Start = tuple[int, ...]
Size = tuple[int, ...]

# Above this part of a layer's positions cutting and pasting costs what a smaller convolution saves; flat around it.
LARGEST_PART = 0.5


@dataclass(frozen=True, eq=False)
class Windows:
    """``data`` (B, K, *size) lies at ``starts`` (one index tuple for each row) in copies of ``base`` (1, K, *grid).

    Everything outside its window equals the base. Windows lie inside the grid and all rows' have one size.
    """

    data: Tensor
    starts: tuple[Start, ...]
    base: Tensor

    @property
    def size(self) -> Size:
        """Positions of a window along each axis."""
        return tuple(self.data.shape[2:])

    @property
    def grid(self) -> Size:
        """Positions of the whole layer along each axis."""
        return tuple(self.base.shape[2:])

    def block(self, starts: tuple[Start, ...], size: Size, fill: float = 0.0) -> Tensor:
        """(B, K, *size): other boxes of the same layer, with ``fill`` where they leave the grid."""
        if starts == self.starts and size == self.size:
            return self.data
        block = cut(self.base, starts, size, fill)
        paste(block, starts, self.data, self.starts)
        return block

    def whole(self) -> Tensor:
        """(B, K, *grid): the layer for every row."""
        whole = self.base.repeat(len(self.data), *[1] * (self.base.ndim - 1))
        paste(whole, ((0,) * len(self.grid),) * len(self.data), self.data, self.starts)
        return whole


def small(size: Size, grid: Size) -> bool:
    """Whether a window is worth keeping apart from its layer."""
    return prod(size) <= LARGEST_PART * prod(grid)


def cut(base: Tensor, starts: Sequence[Start], size: Size, fill: float) -> Tensor:
    """(B, K, *size) from ``base`` (1, K, *grid), one box for each start, ``fill`` outside the grid."""
    grid = base.shape[2:]
    block = base.new_empty((len(starts), base.shape[1], *size))
    for row, start in enumerate(starts):
        inside, source = [slice(None)], [slice(None)]
        for first, length, positions in zip(start, size, grid, strict=True):
            low, high = max(first, 0), min(first + length, positions)
            inside.append(slice(low - first, max(high, low) - first))
            source.append(slice(low, max(high, low)))
        if any(first < 0 or first + n > g for first, n, g in zip(start, size, grid, strict=True)):
            block[row].fill_(fill)
        block[row][tuple(inside)] = base[0][tuple(source)]
    return block


def paste(block: Tensor, at: Sequence[Start], data: Tensor, starts: Sequence[Start]) -> None:
    """Write ``data`` (B, K, ...), which lies at ``starts``, into ``block`` (B, K, ...), which lies at ``at``."""
    shifts = [
        tuple(s - a for s, a in zip(start, origin, strict=True)) for start, origin in zip(starts, at, strict=True)
    ]
    if all(shift == shifts[0] for shift in shifts):  # one copy for all rows
        _paste(block, data, shifts[0])
        return
    for row, shift in enumerate(shifts):
        _paste(block[row : row + 1], data[row : row + 1], shift)


def _paste(block: Tensor, data: Tensor, shift: Start) -> None:
    target, source = [slice(None)] * 2, [slice(None)] * 2
    for first, length, room in zip(shift, data.shape[2:], block.shape[2:], strict=True):
        low, high = max(first, 0), min(first + length, room)
        if high <= low:
            return
        target.append(slice(low, high))
        source.append(slice(low - first, high - first))
    block[tuple(target)] = data[tuple(source)]


def bounding(operands: Sequence[Windows]) -> tuple[tuple[Start, ...], Size]:
    """The smallest boxes, of one size, that hold every operand's window; the operands share a grid."""
    grid, rows = operands[0].grid, range(len(operands[0].starts))
    axes = range(len(grid))
    low = [[min(o.starts[row][axis] for o in operands) for axis in axes] for row in rows]
    high = [[max(o.starts[row][axis] + o.size[axis] for o in operands) for axis in axes] for row in rows]
    size = tuple(max(high[row][axis] - low[row][axis] for row in rows) for axis in axes)
    starts = tuple(tuple(min(low[row][axis], grid[axis] - size[axis]) for axis in axes) for row in rows)
    return starts, size


def stacked_boxes(image: Tensor, starts: Sequence[Start], size: Size) -> Tensor:
    """(B, K, *size): boxes of ``image`` (1, K, *grid) that lie inside it."""
    return torch.cat([image[(slice(None), slice(None), *_box(start, size))] for start in starts])


def _box(start: Start, size: Size) -> tuple[slice, ...]:
    return tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
