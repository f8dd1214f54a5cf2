"""Which of some planes, at even or uneven distances, each slice of a grid takes its content from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEFT_OUT = 1.9  # times the usual distance: a wider gap is a plane left empty on purpose
_SAME_PLACE = 1e-6


def usual_gap(planes: NDArray[np.float64]) -> float:
    """The median distance of neighbouring planes (rising coordinates), infinite for a single one."""
    return float(np.median(np.diff(planes))) if len(planes) > 1 else np.inf


def nearest_planes(
    planes: NDArray[np.float64], slices: NDArray[np.float64], usual: float, least: float
) -> NDArray[np.intp]:
    """For each slice the index of the plane that it belongs to, -1 for none.

    ``planes`` and ``slices`` are rising coordinates along one axis. A plane reaches half way to its neighbours, half
    the ``usual`` distance where there is no neighbour or a wide gap, and never less than half of ``least``, the
    distance of slices. Its lower end belongs to it and its upper one does not, so that even planes keep the volume.
    """
    gaps = np.diff(planes)
    half = np.where(gaps < _LEFT_OUT * usual, gaps, usual) / 2
    below = np.maximum(np.concatenate([[usual / 2], half]), least / 2)
    above = np.maximum(np.concatenate([half, [usual / 2]]), least / 2)
    nearest = np.searchsorted((planes[1:] + planes[:-1]) / 2, slices + _SAME_PLACE, side="right")
    distance = slices - planes[nearest]
    reached = (distance >= -below[nearest] - _SAME_PLACE) & (distance < above[nearest] - _SAME_PLACE)
    return np.where(reached, nearest, -1)
