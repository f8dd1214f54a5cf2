"""Contours of one structure as a region: planes of closed outlines, filled by the even-odd rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region
from saliency_viewer.readers.masks.planes import nearest_planes, usual_gap
from saliency_viewer.spatial import Geometry, polygon_mask

_IN_PLANE = 1.0  # slices: contours that stay within half a slice on both sides lie in one
_SAME_PLANE = 0.05  # slices between a contour and the next one
_THICKEST = 0.25  # slices that the contours of one plane may spread over; more are planes finer than the slices
_ROUNDING = 0.001  # slices
_SMALL_ANGLE = np.sin(np.deg2rad(2.0))
_MOST_CROSSED = 10_000_000  # rows that the edges of one outline may cross; anatomy needs some thousands
_MOST_VOXELS = 2**30
_FARTHEST = 16  # times the image's size, and at least so many slices: farther away is a mistake
_ROOM = 4096


class Oblique(Exception):  # noqa: N818 - caught by the reader, never shown
    """The contours lie in planes that cut the image's at an angle."""


class Absurd(Exception):  # noqa: N818 - caught by the reader, never shown
    """The contours reach farther than any anatomy, or have more corners."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """Closed outlines in the index space of ``grid``: one axis across their planes, and which plane each lies in.

    ``planes`` are rising coordinates on ``axis``; ``numbers`` say for each outline which of them is its own.
    ``corners`` are (n, 2) in the two other axes, in order. ``tilted`` says that some had to be projected.
    """

    grid: Geometry
    axis: int
    planes: NDArray[np.float64]
    numbers: NDArray[np.intp]
    corners: tuple[NDArray[np.float64], ...]
    tilted: bool

    @property
    def step(self) -> float:
        """Millimetres from one slice of ``axis`` to the next, across them."""
        return float(1 / np.linalg.norm(np.linalg.inv(self.grid.affine)[self.axis, :3]))


def outlines(contours: Sequence[NDArray[np.float64]], image: Geometry) -> Outlines:
    """Closed contours, (n, 3) each in LPS mm, in the image's index space.

    Their planes may be parallel to the image's slices, or to its rows or columns (an image stored sagittally).
    Raises :class:`Oblique` when they cut all of these at an angle, and :class:`Absurd`.
    """
    points = [image.to_index(contour) for contour in contours]
    spreads = np.array([np.ptp(one, axis=0) for one in points])
    axis = int(np.argmin(spreads.max(axis=0)))
    rest = [k for k in range(3) if k != axis]
    across = spreads[:, axis]
    wide = np.linalg.norm(spreads * image.spacing, axis=1)
    tilted = across > _IN_PLANE
    if np.any(tilted & (across * image.spacing[axis] > _SMALL_ANGLE * wide)):
        raise Oblique
    low, high = np.vstack([one.min(axis=0) for one in points]), np.vstack([one.max(axis=0) for one in points])
    room = np.maximum(_FARTHEST * np.array(image.shape), _ROOM)
    if np.any(low < -room) or np.any(high > room):
        raise Absurd
    places = (low[:, axis] + high[:, axis]) / 2
    planes, numbers = distinct_planes(places)
    return Outlines(image, axis, planes, numbers, tuple(one[:, rest] for one in points), bool(tilted.any()))


def distinct_planes(places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Rising coordinates of distinct planes, and the plane of each contour; ``places`` are counted in slices.

    A contour lies in the plane of the next one if they are close, unless such a chain grows thick: then the planes
    are merely fine.
    """
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(ordered) > _SAME_PLANE]))
    fresh = np.zeros(len(places), dtype=bool)
    for start, stop in zip(starts, [*starts[1:], len(places)], strict=True):
        fresh[start] = True
        if ordered[stop - 1] - ordered[start] > _THICKEST:
            fresh[start + 1 : stop] = np.diff(ordered[start:stop]) > _ROUNDING
    numbers = np.empty(len(places), dtype=np.intp)
    numbers[order] = np.cumsum(fresh) - 1
    return np.bincount(numbers, places) / np.bincount(numbers), numbers


def filled(name: str, colour: str, found: Outlines, usual: float) -> Region:
    """The region inside the outlines, on their grid continued beyond its borders: ``origin`` may be negative.

    A voxel is inside when its centre is within an odd number of the plane's outlines: a second one within the first
    is a hole. A plane counts for the slices within half the distance to its neighbours, ``usual`` slices where
    there is none, and at least for its own slice.
    """
    planes = found.planes
    usual = min(usual_gap(planes), usual)
    usual = max(usual if np.isfinite(usual) else 1.0, 1.0)
    first = int(np.floor(planes[0] - usual))
    slices = np.arange(first, int(np.ceil(planes[-1] + usual)) + 1)
    taken = nearest_planes(planes, slices.astype(np.float64), usual, 1.0)
    low = np.floor(np.min([corner.min(axis=0) for corner in found.corners], axis=0)).astype(int)
    high = np.ceil(np.max([corner.max(axis=0) for corner in found.corners], axis=0)).astype(int) + 1
    shape = (len(slices), int(high[0] - low[0]), int(high[1] - low[1]))
    if np.prod(shape, dtype=np.float64) > _MOST_VOXELS:
        raise Absurd
    patch = np.zeros(shape, dtype=bool)
    for number in np.unique(taken[taken >= 0]):
        here = np.flatnonzero(found.numbers == number)
        patch[taken == number] = _plane([found.corners[k] - low for k in here], shape[1:])
    turned = np.moveaxis(patch, 0, found.axis)
    cut = Region.from_mask(name, colour, turned)
    start = [int(low[0]), int(low[1])]
    start.insert(found.axis, first)
    z, y, x = (a + b for a, b in zip(cut.origin, start, strict=True))
    return Region(name, colour, (z, y, x) if cut.voxels else (0, 0, 0), cut.patch)


def _plane(corners: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Even-odd over all outlines of one plane; one that is there twice counts once."""
    inside = np.zeros(shape, dtype=bool)
    known: set[bytes] = set()
    for one in corners:
        crossed = np.abs(np.diff(one[:, 0], append=one[:1, 0])).sum()
        if crossed > _MOST_CROSSED:
            raise Absurd
        if one.tobytes() in known:
            continue
        known.add(one.tobytes())
        low = np.clip(np.floor(one.min(axis=0)).astype(int), 0, shape)
        high = np.clip(np.ceil(one.max(axis=0)).astype(int) + 1, low, shape)
        part = inside[low[0] : high[0], low[1] : high[1]]
        part ^= polygon_mask(one - low, (part.shape[0], part.shape[1]))
    return inside
