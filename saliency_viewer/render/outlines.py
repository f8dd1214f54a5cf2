"""The outline of a mask along the edges of its pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Directions 0 right, 1 down, 2 left, 3 up, as (row, column) steps.
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


def outlines(mask2d: NDArray[np.generic]) -> list[NDArray[np.float64]]:
    """Closed polygons around the nonzero pixels of a (row, column) mask.

    Each is (n, 2) float64 (row, column) in voxel-centre coordinates: the pixel (r, c) reaches from
    r - 0.5 to r + 0.5. Only corners are listed and the last point repeats the first. Outer borders run
    clockwise on the screen (rows down), holes the other way; filled by the even-odd rule they give the
    mask back. Pixels that touch at a corner only are separate.
    """
    mask = np.asarray(mask2d) != 0
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return []
    edges = _directed_edges(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    runs = [_runs(edges[direction], direction) for direction in range(4)]
    starts = np.concatenate([start for start, _ in runs])
    ends = np.concatenate([end for _, end in runs])
    direction = np.repeat(np.arange(4), [len(start) for start, _ in runs])
    following = _following(edges, starts, ends, direction)
    return _chains(following, starts + np.array([rows[0] - 0.5, columns[0] - 0.5]))


def _directed_edges(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(4, rows + 1, columns + 1): whether an edge leaves that pixel corner in that direction, mask to its right."""
    padded = np.pad(mask, 1)
    inside, above = padded[1:, 1:], padded[:-1, 1:]
    before, diagonal = padded[1:, :-1], padded[:-1, :-1]
    return np.stack(
        [
            inside & ~above,  # right along the top of the pixel
            before & ~inside,  # down along the right side of the pixel before
            diagonal & ~before,  # left along the bottom of the pixel diagonally above
            above & ~diagonal,  # up along the left side of the pixel above
        ]
    )


def _runs(edges: NDArray[np.bool_], direction: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last corner, (n, 2) (row, column) each, of every straight run of edges in one direction."""
    vertical, backwards = direction % 2 == 1, direction >= 2
    lines = np.pad(edges.T if vertical else edges, ((0, 0), (1, 1)))
    low = np.argwhere(lines[:, 1:-1] & ~lines[:, :-2])
    high = np.argwhere(lines[:, 1:-1] & ~lines[:, 2:])
    # Both lists are in the order of the lines, so the n-th low end and the n-th high end are of one run.
    first, last = (high, low) if backwards else (low, high)
    if vertical:
        first, last = first[:, ::-1], last[:, ::-1]
    return first, last + _STEPS[direction]


def _following(
    edges: NDArray[np.bool_], starts: NDArray[np.intp], ends: NDArray[np.intp], direction: NDArray[np.intp]
) -> list[int]:
    """For each run the index of the run that goes on from its end."""
    right, left = (direction + 1) % 4, (direction - 1) % 4
    # Where two borders meet in a point, turning right keeps to the same pixel.
    turn = np.where(edges[right, ends[:, 0], ends[:, 1]], right, left)
    height, width = edges.shape[1:]
    codes = (direction * height + starts[:, 0]) * width + starts[:, 1]
    wanted = (turn * height + ends[:, 0]) * width + ends[:, 1]
    order = np.argsort(codes)
    return [int(k) for k in order[np.searchsorted(codes, wanted, sorter=order)]]


def _chains(following: list[int], points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Follow the runs round until each is used."""
    used = bytearray(len(following))
    polygons = []
    for first in range(len(following)):
        if used[first]:
            continue
        chain, current = [], first
        while not used[current]:
            used[current] = 1
            chain.append(current)
            current = following[current]
        polygons.append(points[[*chain, first]])
    return polygons
