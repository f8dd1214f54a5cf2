"""One axis on its way from the image's grid to the network's: where every cell lies, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain.model_card import Interpolation
from saliency_viewer.models.resize import lookup_matrix, sampling_matrix, shift_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_EDGE = 1e-6  # of a cell: a centre exactly on the edge of what the network saw counts as seen


@dataclass(frozen=True)
class Move:
    """Cell i of the new axis looks at ``start + step * i`` of the old one, in cells counted from its first centre.

    Without ``interpolation`` cells are taken as they are (``step`` is 1 and ``start`` whole), and what lies beyond the
    old axis is padding. With it nothing is padded: the border is repeated.
    """

    size: int
    start: float
    step: float = 1.0
    interpolation: Interpolation | None = None
    antialias: bool = True

    def matrix(self, count: int) -> csr_matrix:
        """(size, count) float32."""
        if self.interpolation is None:
            return shift_matrix(count, self.size, round(self.start))
        return sampling_matrix(count, self.size, self.start, self.step, self.interpolation, self.antialias)


def resized(count: int, size: int, interpolation: Interpolation, antialias: bool) -> Move:
    """``count`` cells as ``size`` over the same length. The step is that of the rounded size, not the nominal one."""
    step = count / size
    return Move(size, (step - 1.0) / 2.0, step, interpolation, antialias)


@dataclass(frozen=True)
class AxisMap:
    """``count`` cells of the image and the moves that they make, one after the other."""

    count: int
    moves: tuple[Move, ...] = ()

    def then(self, move: Move) -> AxisMap:
        """With one more move; one that changes nothing is left out."""
        same = move.size == self.size and move.step == 1.0 and move.start == 0.0
        return self if same else AxisMap(self.count, (*self.moves, move))

    @property
    def size(self) -> int:
        """Cells of the network's grid."""
        return self.moves[-1].size if self.moves else self.count

    @property
    def step(self) -> float:
        """How many of the image's cells one cell of the network spans."""
        return float(np.prod([move.step for move in self.moves]))

    def positions(self) -> NDArray[np.float64]:
        """Where the centre of each image cell lies on the network's grid, in cells."""
        positions = np.arange(self.count, dtype=np.float64)
        for move in self.moves:
            positions = (positions - move.start) / move.step
        return positions

    @cached_property
    def edges(self) -> tuple[float, float]:
        """Between which positions on the network's grid image is shown, not padding."""
        low, high = -0.5, self.count - 0.5
        for move in self.moves:
            low, high = (low - move.start) / move.step, (high - move.start) / move.step
            low, high = max(low, -0.5), min(high, move.size - 0.5)
        return low, high

    def seen(self) -> NDArray[np.bool_]:
        """Which image cells have their centre inside what the network saw."""
        low, high = self.edges
        positions = self.positions()
        return (positions >= low - _EDGE) & (positions <= high + _EDGE)

    @cached_property
    def forward(self) -> csr_matrix | None:
        """(size, count): all moves as one matrix, with zeros for padding; None when nothing changes."""
        counts = (self.count, *(move.size for move in self.moves))
        matrices = [move.matrix(count) for count, move in zip(counts, self.moves, strict=False)]
        return reduce(lambda first, second: second @ first, matrices) if matrices else None

    @property
    def pads(self) -> bool:
        """Whether cells of the network's grid may show padding."""
        counts = (self.count, *(move.size for move in self.moves))
        return any(
            move.interpolation is None and (move.start < 0 or move.start + move.size > count)
            for count, move in zip(counts, self.moves, strict=False)
        )

    def backward(self) -> csr_matrix:
        """(count, size): reads a map on the network's grid at every image cell, linearly, never in padding."""
        low, high = self.edges
        first, last = int(np.floor(low + 0.5 + _EDGE)), int(np.ceil(high - 0.5 - _EDGE))
        return lookup_matrix(self.positions(), first, max(first, last), self.size)
