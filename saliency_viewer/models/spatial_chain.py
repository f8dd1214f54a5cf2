"""From the image's grid to the network's and back: one affine map of indices for each axis.

Orientation, spacing, fit, crop and padding are all separable, so the whole chain is, for each axis, a
list of resizes followed by an offset. The way back needs no approximation: a voxel's place on the
network's grid follows from the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import InputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models.orientation import Turn, turn_to
from saliency_viewer.models.resize import Interpolation, apply_along, lookup_matrix, resize_matrix
from saliency_viewer.spatial import Geometry

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_EDGE = 1e-6  # of a cell: a centre exactly on the edge of what the network saw counts as seen


@dataclass(frozen=True)
class AxisMap:
    """One axis.

    ``sizes`` are the image's size and the size after each resize; then ``offset`` cells of padding before
    the content (negative: cells cut off) make ``size`` cells.
    """

    sizes: tuple[int, ...]
    offset: int
    size: int

    @property
    def content(self) -> tuple[int, int]:
        """First and last cell of the network's grid that shows image, not padding."""
        return max(self.offset, 0), min(self.offset + self.sizes[-1], self.size) - 1

    def positions(self) -> NDArray[np.float64]:
        """Where each image index lies on the network's grid, in cells."""
        index = np.arange(self.sizes[0], dtype=np.float64)
        return (index + 0.5) * (self.sizes[-1] / self.sizes[0]) - 0.5 + self.offset

    def seen(self) -> NDArray[np.bool_]:
        """Which image indices have their centre inside what the network saw."""
        low, high = self.content
        positions = self.positions()
        return (positions >= low - 0.5 - _EDGE) & (positions <= high + 0.5 + _EDGE)

    def forward(self, interpolation: Interpolation, antialias: bool) -> csr_matrix | None:
        """The resize as one matrix onto the content before padding, None when nothing changes."""
        pairs = [(a, b) for a, b in zip(self.sizes, self.sizes[1:], strict=False) if a != b]
        if not pairs:
            return None
        matrices = [resize_matrix(a, b, interpolation, antialias) for a, b in pairs]
        return reduce(lambda first, second: second @ first, matrices)

    def backward(self) -> csr_matrix:
        """The matrix that reads a map on the network's grid at every image index."""
        low, high = self.content
        return lookup_matrix(self.positions(), low, high, self.size)


@dataclass(frozen=True)
class SpatialChain:
    """The whole way. ``axes`` belong to the last axes of the turned image: two for slice-wise networks."""

    turn: Turn
    axes: tuple[AxisMap, ...]
    interpolation: Interpolation
    antialias: bool
    pad_value: float

    @property
    def size(self) -> tuple[int, ...]:
        """Spatial shape of the network's input."""
        return tuple(axis.size for axis in self.axes)

    def forward(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., slice, row, column) to (..., slice, *size) or (..., *size), padded with ``pad_value``."""
        values = self.turn.apply(array)
        first = values.ndim - len(self.axes)
        # The axis that shrinks most goes first: the others then have less to do.
        for k in sorted(range(len(self.axes)), key=lambda k: self.axes[k].sizes[-1] / self.axes[k].sizes[0]):
            matrix = self.axes[k].forward(self.interpolation, self.antialias)
            if matrix is not None:
                values = apply_along(matrix, values, first + k)
        return self._placed(values, first)

    def _placed(self, values: NDArray[np.float32], first: int) -> NDArray[np.float32]:
        put: list[slice] = []
        taken: list[slice] = []
        for axis in self.axes:
            low, high = axis.content
            put.append(slice(low, high + 1))
            taken.append(slice(low - axis.offset, high + 1 - axis.offset))
        out = np.full((*values.shape[:first], *self.size), self.pad_value, dtype=np.float32)
        lead: list[slice] = [slice(None)] * first
        out[tuple(lead + put)] = values[tuple(lead + taken)]
        return out

    def backward(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(slice, *size) or (*size) on the network's grid to (slice, row, column); NaN where it saw nothing."""
        first = values.ndim - len(self.axes)
        for k, axis in enumerate(self.axes):
            values = apply_along(axis.backward(), values, first + k)
        for k, axis in enumerate(self.axes):
            np.moveaxis(values, first + k, 0)[~axis.seen()] = np.nan
        return np.ascontiguousarray(self.turn.undo(values))


def plan_chain(spec: InputSpec, geometry: Geometry) -> SpatialChain:
    """The chain that brings an image on ``geometry`` to what ``spec`` asks for.

    Raises :class:`UserError` when millimetres are needed and not known, or a size does not fit.
    """
    slice_wise = spec.layout != "3d"
    turn = turn_to(spec.orientation, geometry, slice_wise)
    skip = 1 if slice_wise else 0
    shape = turn.shape(geometry.shape)[skip:]
    spaced = _spaced(spec, shape, tuple(geometry.spacing[axis] for axis in turn.order[skip:]), geometry)
    fitted = _fitted(spec, spaced)
    size = spec.size or fitted
    if spec.fit == "none" and size != fitted:
        raise UserError(
            f"This network wants images of {_text(size)}, but this one has {_text(fitted)}.",
            'Choose another image, or let the model\'s author set fit = "letterbox" or "crop".',
        )
    maps = tuple(
        AxisMap((n, *(() if m == n else (m,)), *(() if f == m else (f,))), _offset(f, s), s)
        for n, m, f, s in zip(shape, spaced, fitted, size, strict=True)
    )
    return SpatialChain(turn, maps, spec.interpolation, spec.antialias, spec.pad_value)


def _spaced(spec: InputSpec, shape: tuple[int, ...], spacing: tuple[float, ...], geometry: Geometry) -> tuple[int, ...]:
    if not spec.spacing:
        return shape
    if geometry.calibration == "none":
        raise UserError(
            "This network wants images of a certain spacing in millimetres, but this image has no calibration.",
            "Choose the DICOM or NIfTI original of the image.",
        )
    return tuple(max(1, round(n * have / want)) for n, have, want in zip(shape, spacing, spec.spacing, strict=True))


def _fitted(spec: InputSpec, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The content's size after the resize of ``fit``."""
    if spec.fit == "stretch":
        return spec.size
    if spec.fit == "letterbox":
        scale = min(want / have for want, have in zip(spec.size, shape, strict=True))
        return tuple(min(want, max(1, round(n * scale))) for n, want in zip(shape, spec.size, strict=True))
    if spec.fit == "crop" and spec.resize is not None:
        shorter = min(shape)
        # torchvision's Resize(n) cuts the longer side down to a whole number; networks were trained with that.
        return tuple(spec.resize if n == shorter else math.floor(spec.resize * n / shorter) for n in shape)
    return shape


def _offset(content: int, size: int) -> int:
    """Centred: cells of padding before the content, or minus the cells cut off (torchvision's CenterCrop)."""
    return (size - content) // 2 if size >= content else -round((content - size) / 2)


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
