"""Telling the grey levels of a soft mask from labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_PLANES = 64  # are looked at, spread evenly over those with something in them


def mixing(values: NDArray[Any], levels: NDArray[np.int64]) -> float:
    """How much the values (slice, row, column) look like steps between their neighbours: 0 for labels, 1 for edges.

    At a soft edge values rise from voxel to voxel, so nearly every voxel lies strictly between its two neighbours
    along a row or a column. A voxel of a label map has its own label beside it, even in structures two voxels thin.
    That share is taken for every level between 0 and the highest, and the median level counts, so that neither a
    large plateau nor a few stray labels decide. ``levels`` are the distinct values in rising order. Blurred and
    drawn edges have 0.9 to 1, label maps 0 to 0.1, and noisy images (or noise) 0.5 to 0.9.
    """
    count, between = np.zeros(levels.size), np.zeros(levels.size)
    for plane in _filled_planes(values):
        codes = np.searchsorted(levels, plane)
        mixed = _between(codes)
        count += np.bincount(codes.ravel(), minlength=levels.size)
        between += np.bincount(codes[mixed], minlength=levels.size)
    present = np.flatnonzero(count[1:-1]) + 1
    return float(np.median(between[present] / count[present])) if present.size else 0.0


def _between(codes: NDArray[np.intp]) -> NDArray[np.bool_]:
    mixed = np.zeros(codes.shape, dtype=bool)
    for turned, marked in ((codes, mixed), (codes.T, mixed.T)):
        before, here, after = turned[:-2], turned[1:-1], turned[2:]
        marked[1:-1] |= ((before < here) & (here < after)) | ((before > here) & (here > after))
    return mixed


def _filled_planes(values: NDArray[Any]) -> list[NDArray[Any]]:
    filled = [plane for plane in values if plane.any()]
    chosen = np.unique(np.linspace(0, len(filled) - 1, min(_PLANES, len(filled))).round().astype(int))
    return [filled[k] for k in chosen]
