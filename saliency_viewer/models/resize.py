"""Interpolation along one axis as a sparse matrix: pixel centres at half, the scale of the rounded size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain.model_card import Interpolation

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_FUZZ = 1e-9  # of a cell: an edge that rounding moved is still that edge

Kernel = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, 1.0 - np.abs(x))


def _cubic(a: float) -> Kernel:
    """The cubic convolution kernel of Keys (1981), equation 4, with parameter ``a``."""

    def kernel(x: NDArray[np.float64]) -> NDArray[np.float64]:
        x = np.abs(x)
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))

    return kernel


def resize_matrix(size: int, new_size: int, interpolation: Interpolation, antialias: bool) -> csr_matrix:
    """The (new_size, size) float32 matrix that resizes along one axis; see :func:`sampling_matrix`."""
    scale = size / new_size
    return sampling_matrix(size, new_size, (scale - 1.0) / 2.0, scale, interpolation, antialias)


def sampling_matrix(
    size: int, new_size: int, start: float, scale: float, interpolation: Interpolation, antialias: bool
) -> csr_matrix:
    """The (new_size, size) float32 matrix that reads at ``start + scale * i``; its rows sum to one.

    With ``antialias`` the kernel is widened by the scale when shrinking, and cut and renormalised at the
    border; without it, indices are clamped at the border. Equals torch's ``interpolate`` with
    ``align_corners=False`` (``nearest`` is its nearest-exact, ``area`` the mean of all cells that are touched).
    """
    centre = start + scale * np.arange(new_size, dtype=np.float64) + 0.5  # from the outer border of the first cell
    if interpolation == "area":
        return _area_matrix(centre, scale, size)
    if interpolation == "nearest":
        nearest = np.clip(np.floor(centre + _FUZZ).astype(np.int64), 0, size - 1)
        return _sparse(np.arange(new_size), nearest, np.ones(new_size), (new_size, size))
    radius = 1 if interpolation == "linear" else 2
    # Both parameters of the cubic kernel are torch's: -0.5 with the antialias filter, -0.75 without.
    kernel = _triangle if interpolation == "linear" else _cubic(-0.5 if antialias else -0.75)
    stretch = max(scale, 1.0) if antialias else 1.0
    reach = int(np.ceil(radius * stretch)) + 1
    columns = np.floor(centre).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)[None, :]
    weights = kernel((columns + 0.5 - centre[:, None]) / stretch)
    if antialias:
        weights[(columns < 0) | (columns >= size)] = 0.0
        weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(new_size), columns.shape[1])
    return _sparse(rows, np.clip(columns, 0, size - 1).ravel(), weights.ravel(), (new_size, size))


def _area_matrix(centre: NDArray[np.float64], scale: float, size: int) -> csr_matrix:
    """Each new cell is the plain mean of the old cells that it touches (torch's adaptive average pooling)."""
    first = np.clip(np.floor(centre - scale / 2 + _FUZZ).astype(np.int64), 0, size - 1)
    last = np.clip(np.ceil(centre + scale / 2 - _FUZZ).astype(np.int64) - 1, first, size - 1)
    counts = last - first + 1
    rows = np.repeat(np.arange(len(centre)), counts)
    columns = np.concatenate([np.arange(a, b + 1) for a, b in zip(first, last, strict=True)])
    return _sparse(rows, columns, 1.0 / counts[rows], (len(centre), size))


def shift_matrix(size: int, new_size: int, start: int) -> csr_matrix:
    """The (new_size, size) matrix that takes cells from ``start`` on as they are; beyond the old axis it has zeros."""
    rows = np.arange(max(0, -start), min(new_size, size - start))
    return _sparse(rows, rows + start, np.ones(len(rows)), (new_size, size))


def lookup_matrix(positions: NDArray[np.float64], low: int, high: int, size: int) -> csr_matrix:
    """The (len(positions), size) float32 matrix that reads at fractional ``positions``, linearly.

    Only cells ``low`` .. ``high`` are read: positions beyond them take the nearest of these.
    """
    clamped = np.clip(positions, low, high)
    lower = np.minimum(np.floor(clamped).astype(np.int64), max(high - 1, low))
    upper = np.minimum(lower + 1, high)
    fraction = clamped - lower
    rows = np.arange(len(positions))
    return _sparse(
        np.concatenate([rows, rows]),
        np.concatenate([lower, upper]),
        np.concatenate([1.0 - fraction, fraction]),
        (len(positions), size),
    )


def _sparse(rows: Any, columns: Any, weights: Any, shape: tuple[int, int]) -> csr_matrix:
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((np.asarray(weights, dtype=np.float32), (rows, columns)), shape=shape)
    matrix.eliminate_zeros()
    return matrix


def apply_along(matrix: csr_matrix, array: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Multiply ``matrix`` (m, n) along ``axis`` (of length n) of a float32 array of any rank."""
    moved = np.moveaxis(array, axis, 0)
    product = matrix @ np.ascontiguousarray(moved).reshape(moved.shape[0], -1)
    return np.moveaxis(np.asarray(product, dtype=np.float32).reshape(-1, *moved.shape[1:]), 0, axis)
