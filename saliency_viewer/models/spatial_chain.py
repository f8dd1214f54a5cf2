"""From the image's grid to the network's and back: one affine map of indices for each axis.

Every spatial step is separable, so the whole chain is, for each axis, a list of moves. The way back needs no
approximation: a voxel's place on the network's grid follows from the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import InputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models.axis_map import AxisMap
from saliency_viewer.models.orientation import Turn, turn_to
from saliency_viewer.models.resize import apply_along
from saliency_viewer.models.spatial_steps import Stage, checked_step, size_text, steps_of
from saliency_viewer.spatial import Geometry

# Of the frequencies that a grid f times finer can hold, only the lowest f-th part was measured. Beyond this factor more
# than two of three samples are interpolated, whereas networks are trained on slices resampled by up to two or so.
MOST_INVENTED = 3.0


@dataclass(frozen=True)
class SpatialChain:
    """The whole way. ``axes`` belong to the last axes of the turned image: two for slice-wise networks.

    ``finest`` is how many times closer together cells came by a ``spacing`` step, at most along one axis.
    ``turned_round`` (card: axes "xyz"): the network takes its axes in the opposite order, (column, row, slice) or
    (column, row). It is the last thing on the way there and the first on the way back; ``axes`` stay in our order.
    """

    turn: Turn
    axes: tuple[AxisMap, ...]
    pad_value: float
    finest: float = 1.0
    turned_round: bool = False

    @property
    def size(self) -> tuple[int, ...]:
        """Spatial shape of the network's input, in its own order of axes."""
        sizes = tuple(axis.size for axis in self.axes)
        return sizes[::-1] if self.turned_round else sizes

    def in_networks_order(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The last axes, one for each of ``axes``, in the network's order, or from there in ours; a view."""
        if not self.turned_round:
            return values
        first = values.ndim - len(self.axes)
        return values.transpose(*range(first), *reversed(range(first, values.ndim)))

    def forward(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., slice, row, column) to (..., slice, *size) or (..., *size), padded with ``pad_value``.

        The axes stay in our order.
        """
        values = self.turn.apply(array)
        first = values.ndim - len(self.axes)
        # Every row of a resize sums to one, so that padding with zeros of what lies above the padding is the same.
        lift = np.float32(self.pad_value) if any(axis.pads for axis in self.axes) else np.float32(0)
        values = values - lift if lift else values
        # The axis that shrinks most goes first: the others then have less to do.
        for k in sorted(range(len(self.axes)), key=lambda k: self.axes[k].size / self.axes[k].count):
            matrix = self.axes[k].forward
            if matrix is not None:
                values = apply_along(matrix, values, first + k)
        return values + lift if lift else values

    def backward(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(slice, *size) or (*size) on the network's grid to (slice, row, column); NaN where it saw nothing."""
        values = self.in_networks_order(values)
        first = values.ndim - len(self.axes)
        for k, axis in enumerate(self.axes):
            values = apply_along(axis.backward(), values, first + k)
        for k, axis in enumerate(self.axes):
            np.moveaxis(values, first + k, 0)[~axis.seen()] = np.nan
        return np.ascontiguousarray(self.turn.undo(values))


Look = Callable[[SpatialChain], NDArray[np.float32]]


def plan_chain(spec: InputSpec, geometry: Geometry, look: Look | None = None) -> SpatialChain:
    """The chain that brings an image on ``geometry`` to what ``spec`` asks for.

    ``look(chain)`` gives the image's values, (channel, slice, row, column), after the steps so far; only a crop to the
    foreground asks for them. Raises :class:`UserError` when millimetres are needed and not known, or a size does not
    fit.
    """
    slice_wise = spec.layout != "3d"
    turn = turn_to(spec.orientation, geometry, slice_wise)
    skip = 1 if slice_wise else 0
    spacing = tuple(geometry.spacing[axis] for axis in turn.order[skip:])
    columns = geometry.affine[:3, list(turn.order)] * np.where(turn.flips, -1.0, 1.0)
    chain = SpatialChain(turn, tuple(map(AxisMap, turn.shape(geometry.shape)[skip:])), spec.pad_value)
    for number, entry in enumerate(steps_of(spec), start=1):
        chain = _with_step(
            chain, spec, entry, number, spacing if geometry.calibration != "none" else None, look, columns
        )
    if spec.size and chain.size != spec.size:
        raise UserError(
            f"This network wants images of {size_text(spec.size)}, but this one has {size_text(chain.size)}.",
            'Choose another image, or let the model\'s author set fit = "letterbox" or "crop".',
        )
    return chain


def _with_step(
    chain: SpatialChain,
    spec: InputSpec,
    entry: Mapping[str, Any],
    number: int,
    spacing: tuple[float, ...] | None,
    look: Look | None,
    columns: NDArray[np.float64],
) -> SpatialChain:
    step, keys = checked_step(entry, len(chain.axes), number)
    now = None if spacing is None else tuple(mm * axis.step for mm, axis in zip(spacing, chain.axes, strict=True))

    def values() -> NDArray[np.float32]:
        if look is None:
            raise ValueError("a crop to the foreground needs the image")
        return look(chain)

    skew = columns * [axis.step for axis in chain.axes] if len(chain.axes) == 3 else None
    moves = step.moves(keys, Stage(chain.size, now, spec.interpolation, spec.antialias, values, skew))
    axes = tuple(axis.then(move) for axis, move in zip(chain.axes, moves, strict=True))
    finest = max(chain.finest, *(1 / move.step for move in moves)) if step.name == "spacing" else chain.finest
    return SpatialChain(chain.turn, axes, chain.pad_value, finest)
