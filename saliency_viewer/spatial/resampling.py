"""Moving images and labels from one grid to another through patient millimetres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.spatial.geometry import Geometry

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


def resample_labels(array: NDArray[np.integer], source: Geometry, target: Geometry) -> NDArray[np.int32]:
    """Nearest-neighbour resampling of labels; 0 outside the source."""
    return _resample(array, source, target, order=0, fill=0.0).astype(np.int32)


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
