"""Names of planes and sides, from a grid's direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saliency_viewer.spatial.geometry import Geometry

PlaneName = Literal["axial", "coronal", "sagittal"]

_POSITIVE = "LPS"
_NEGATIVE = "RAI"
_PLANE_BY_NORMAL: tuple[PlaneName, PlaneName, PlaneName] = ("sagittal", "coronal", "axial")
# Standard display (radiological): what must stand at the left and the top edge of each plane.
_LEFT_EDGE: dict[PlaneName, str] = {"axial": "R", "coronal": "R", "sagittal": "A"}
_TOP_EDGE: dict[PlaneName, str] = {"axial": "A", "coronal": "S", "sagittal": "S"}


def axis_codes(geometry: Geometry) -> tuple[str, str, str]:
    """The side towards which each index axis (slice, row, column) grows, as one LPS/RAI letter each."""
    # Greedy one-to-one match of index axes with patient axes, the most certain first.
    direction = np.abs(geometry.direction)
    letters = ["", "", ""]
    for _ in range(3):
        patient, index = np.unravel_index(int(np.argmax(direction)), (3, 3))
        positive = geometry.direction[patient, index] > 0
        letters[index] = (_POSITIVE if positive else _NEGATIVE)[patient]
        direction[patient, :] = -1
        direction[:, index] = -1
    return letters[0], letters[1], letters[2]


def _patient_axis(letter: str) -> int:
    return (_POSITIVE if letter in _POSITIVE else _NEGATIVE).index(letter)


def opposite(letter: str) -> str:
    """The side across: L for R, S for I, P for A, and back."""
    return _NEGATIVE[_POSITIVE.index(letter)] if letter in _POSITIVE else _POSITIVE[_NEGATIVE.index(letter)]


def orientation_name(geometry: Geometry) -> str:
    """``axial``, ``coronal`` or ``sagittal`` of the acquired slices, with ``oblique`` when tilted over 5 degrees."""
    if not geometry.oriented:
        return "unknown"
    normal = np.cross(geometry.direction[:, 1], geometry.direction[:, 2])
    normal /= np.linalg.norm(normal)
    axis = int(np.argmax(np.abs(normal)))
    name = _PLANE_BY_NORMAL[axis]
    return name if abs(normal[axis]) >= np.cos(np.deg2rad(5.0)) else f"oblique {name}"


@dataclass(frozen=True)
class Plane:
    """How to cut and turn an array so that the picture stands as a radiologist expects.

    ``through``, ``down`` and ``right`` are array axes (0 slice, 1 row, 2 column); ``flip_down`` and
    ``flip_right`` say that the picture runs against the index.
    """

    name: str
    through: int
    down: int
    right: int
    flip_down: bool
    flip_right: bool


def plane_of_axis(geometry: Geometry, through: int) -> Plane:
    """The display plane perpendicular to index axis ``through`` in the radiological convention.

    A grid of unknown orientation, and the acquired plane of a single-slice image, are shown as stored.
    """
    others = [axis for axis in range(3) if axis != through]
    if not geometry.oriented or geometry.is_planar:
        return Plane("image", through, others[0], others[1], False, False)
    codes = axis_codes(geometry)
    name = _PLANE_BY_NORMAL[_patient_axis(codes[through])]
    left, top = _LEFT_EDGE[name], _TOP_EDGE[name]
    right = next(axis for axis in others if _patient_axis(codes[axis]) == _patient_axis(left))
    down = next(axis for axis in others if axis != right)
    # A picture's left edge shows the low end of its axis, so the axis must grow away from that side.
    return Plane(name, through, down, right, codes[down] == top, codes[right] == left)


def edge_letters(geometry: Geometry, plane: Plane) -> tuple[str, str, str, str]:
    """Letters for the (left, right, top, bottom) edges of a plane's picture; empty when unknown."""
    if not geometry.oriented:
        return "", "", "", ""
    codes = axis_codes(geometry)
    right = opposite(codes[plane.right]) if plane.flip_right else codes[plane.right]
    bottom = opposite(codes[plane.down]) if plane.flip_down else codes[plane.down]
    return opposite(right), right, opposite(bottom), bottom
