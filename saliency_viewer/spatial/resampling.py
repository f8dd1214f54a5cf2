"""Moving images and labels from one grid to another through patient millimetres."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.spatial.geometry import Geometry

LabelT = TypeVar("LabelT", bound=np.generic)
_SAME_PLACE = 1e-6  # of a voxel: rounding of the coordinates
# Interpolation weights below this are rounding errors of the coordinates.
_NO_WEIGHT = 1e-6


def require_same_grid(first: Geometry, second: Geometry, what: str) -> None:
    """Raise :class:`UserError` unless both grids agree; ``what`` names the second thing, e.g. "The mask"."""
    if first.shape != second.shape:
        raise UserError(
            f"{what} has another shape than the image ({_text(second.shape)} instead of {_text(first.shape)}).",
            "Choose the file that belongs to this image.",
        )
    if not first.same_as(second):
        raise UserError(
            f"{what} lies elsewhere in the patient than the image.",
            "Choose the file that belongs to this image, or resample it onto the image's grid.",
        )


def resample_image(
    array: NDArray[np.floating], source: Geometry, target: Geometry, fill: float = np.nan
) -> NDArray[np.float32]:
    """Linear interpolation of ``array`` (slice, row, column) on ``source`` at ``target``'s voxel centres.

    Points outside the source's voxels get ``fill``; within half a voxel of the border the nearest value counts.
    A NaN reaches the points to which its voxel contributes, and no others.
    """
    missing = np.isnan(array)
    if not missing.any():
        return _resample(array, source, target, order=1, fill=fill).astype(np.float32)
    # NaN with a weight of zero would still be NaN, so it travels as a weight of its own.
    values = _resample(np.where(missing, 0.0, array), source, target, order=1, fill=fill)
    weight = _resample(missing, source, target, order=1, fill=0.0)
    values[weight > _NO_WEIGHT] = np.nan
    return values.astype(np.float32)


def resample_labels(array: NDArray[LabelT], source: Geometry, target: Geometry) -> NDArray[LabelT]:
    """Nearest-neighbour resampling of labels (or booleans) in their own dtype; 0 outside the source's voxels.

    Takes no more memory than the result and one of its slices.
    """
    to_source = np.linalg.inv(source.affine) @ target.affine
    order = _axis_order(to_source, target.shape)
    if order is None:
        return _oblique_labels(array, to_source, target.shape)
    found = np.zeros(target.shape, dtype=array.dtype)
    taken, inside = [], [np.empty(0, dtype=np.intp)] * 3
    for axis, along in enumerate(order):
        place = to_source[axis, 3] + to_source[axis, along] * np.arange(target.shape[along])
        index, within = _nearest(place, array.shape[axis])
        taken.append(index[within])
        inside[along] = np.flatnonzero(within)
    picked = array[np.ix_(*taken)].transpose([order.index(axis) for axis in range(3)])
    found[np.ix_(*inside)] = picked
    return found


def _axis_order(to_source: NDArray[np.float64], target: tuple[int, int, int]) -> list[int] | None:
    """For each source axis the one target axis that it runs along; None when the grids are oblique."""
    steps = to_source[:3, :3]
    order = [int(axis) for axis in np.argmax(np.abs(steps), axis=1)]
    aside = np.abs(steps) * np.array(target)
    aside[range(3), order] = 0.0
    return order if sorted(order) == [0, 1, 2] and aside.max() < _SAME_PLACE else None


def _oblique_labels(
    array: NDArray[LabelT], to_source: NDArray[np.float64], target: tuple[int, int, int]
) -> NDArray[LabelT]:
    found = np.zeros(target, dtype=array.dtype)
    rows, columns = np.ogrid[: target[1], : target[2]]
    for k in range(target[0]):
        inside = np.ones(target[1:], dtype=bool)
        indices = []
        for axis, size in enumerate(array.shape):
            first = to_source[axis, 3] + to_source[axis, 0] * k
            index, within = _nearest(first + to_source[axis, 1] * rows + to_source[axis, 2] * columns, size)
            indices.append(index)
            inside &= within
        np.copyto(found[k], array[tuple(indices)], where=inside)
    return found


def _nearest(place: NDArray[np.float64], size: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The voxel around each place along one axis, and whether there is one."""
    # Places halfway between two voxels must all go the same way, whatever rounding did to them.
    within = (place >= -0.5 - _SAME_PLACE) & (place <= size - 0.5 + _SAME_PLACE)
    return np.clip(np.floor(place + (0.5 + _SAME_PLACE)), 0, size - 1).astype(np.intp), within


def _resample(
    array: NDArray[np.generic], source: Geometry, target: Geometry, order: int, fill: float
) -> NDArray[np.float64]:
    from scipy import ndimage  # takes 0.15 s to import, which the window's start would feel

    to_source = np.linalg.inv(source.affine) @ target.affine
    values = ndimage.affine_transform(
        np.asarray(array, dtype=np.float64),
        to_source[:3, :3],
        to_source[:3, 3],
        output_shape=target.shape,
        order=order,
        mode="nearest",
        prefilter=False,
    )
    values[_outside(to_source, source.shape, target.shape)] = fill
    return np.asarray(values)


def _outside(
    to_source: NDArray[np.float64], source: tuple[int, int, int], target: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Mask of target voxels whose centre lies outside every source voxel."""
    outside = np.zeros(target, dtype=bool)
    grids = np.ogrid[tuple(slice(n) for n in target)]
    for axis, size in enumerate(source):
        position = to_source[axis, 3] + sum(to_source[axis, k] * grids[k] for k in range(3))
        outside |= (position < -0.5 - 1e-6) | (position > size - 0.5 + 1e-6)
    return outside


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
