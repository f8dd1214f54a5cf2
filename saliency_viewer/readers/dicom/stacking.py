"""Ordering planes into a stack, its grid, and everything unusual about it in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.calibration import pixel_spacing, said_slice_distance
from saliency_viewer.readers.dicom.dimensions import SAME_PLACE, along, places
from saliency_viewer.readers.dicom.frames import Frame
from saliency_viewer.readers.dicom.header import side_directions, text
from saliency_viewer.spatial import Geometry
from saliency_viewer.spatial.regular import WIDEST_BRIDGED

_REGULAR = 0.01  # part of the gap by which gaps may differ
_DRIFT = 0.1  # part of the gap by which a plane may lie beside the place of even gaps
_SHIFT = 0.5  # mm sideways that a plane may lie off, at most half a pixel
_TILT = 0.2  # degrees between the stack's axis and the slices' normal
_MOST_FILLED = 4  # a regular grid may have that many times more slices than were stored


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes in order along the normal.

    ``geometry`` is the grid of the planes as stored: of uneven ones with their mean distance, of tilted ones sheared.
    ``positions`` (slices, 3) are the planes' first voxels, LPS mm; None when the files do not say. ``step`` is the
    distance in mm that slices of a regular grid would have. ``even`` says that the planes lie on ``geometry``
    exactly, ``upright`` that its axes are at right angles.
    """

    frames: tuple[Frame, ...]
    geometry: Geometry
    positions: NDArray[np.float64] | None
    step: float
    even: bool = True
    upright: bool = True
    warnings: tuple[str, ...] = ()


def build_stack(frames: list[Frame], dataset: Any, rows: int, columns: int) -> Stack:
    """Sort, measure and describe one stack; ``dataset`` is the header of one of its files."""
    if any(frame.position is None for frame in frames):
        return _unlocated(frames, dataset, rows, columns)
    kept, where, warnings = _in_order(frames)
    positions = np.array([frame.position for frame in kept])
    geometry = _geometry(kept, positions, dataset, (len(kept), rows, columns))
    if len(kept) == 1:
        return Stack(tuple(kept), geometry, positions, geometry.spacing[0], warnings=warnings)
    gaps = np.diff(where)
    step, even, words = _evenness(gaps)
    shifted = _shifted(positions, where, min(geometry.spacing[1:]))
    tilt = _tilt(geometry)
    return Stack(
        tuple(kept), geometry, positions, step, even and not shifted, not tilt, (*warnings, *words, *shifted, *tilt)
    )


def _in_order(frames: list[Frame]) -> tuple[list[Frame], NDArray[np.float64], tuple[str, ...]]:
    """One plane for each place, along the normal: (planes, places in mm, warnings)."""
    where, place = along(frames), places(frames)
    instances = np.array([frame.instance for frame in frames])
    order = np.lexsort((instances, place))
    keep = order[np.concatenate([[True], np.diff(place[order]) > 0])]
    dropped = len(frames) - len(keep)
    words = (f"duplicate slice: {dropped} of {len(frames)} lie where another one does; the first is used.",)
    return [frames[k] for k in keep], where[keep], words if dropped else ()


def _geometry(
    frames: list[Frame], positions: NDArray[np.float64], dataset: Any, shape: tuple[int, int, int]
) -> Geometry:
    spacing, calibration = pixel_spacing(dataset)
    own = frames[0].spacing
    if len(own) == 2 and min(own) > 0 and calibration != "none":
        spacing = own[0], own[1]
    orientation = np.array(frames[0].orientation)
    right, down = _unit(orientation[:3]), _unit(orientation[3:])
    normal = np.cross(right, down)
    affine = np.eye(4)
    affine[:3, 2], affine[:3, 1] = right * spacing[1], down * spacing[0]
    count = len(frames)
    affine[:3, 0] = (positions[-1] - positions[0]) / (count - 1) if count > 1 else normal * _depth(dataset, spacing)
    affine[:3, 3] = positions[0]
    return Geometry(shape, affine, calibration, frame_of_reference=text(dataset, "FrameOfReferenceUID"))


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector))


def _depth(dataset: Any, spacing: tuple[float, float]) -> float:
    """Thickness of a single slice, mm; that of a pixel where the file says nothing."""
    return said_slice_distance(dataset) or min(spacing)


def _evenness(gaps: NDArray[np.float64]) -> tuple[float, bool, tuple[str, ...]]:
    """The distance of a regular grid's slices, whether the stored ones have it, and words when they do not."""
    step = float(np.median(gaps))
    even = np.abs(gaps - gaps.mean()).max() <= max(_REGULAR * step, 2 * SAME_PLACE)
    # Small differences that all go one way add up.
    drift = np.abs(np.cumsum(gaps - gaps.mean())).max()
    if len(gaps) == 1 or (even and drift <= _DRIFT * step):
        return float(gaps.mean()), True, ()
    if not _whole_multiples(gaps, step) and _whole_multiples(gaps, float(gaps.min())):
        step = float(gaps.min())  # with few slices the median lies between one gap and a double one
    whole = _whole_multiples(gaps, step)
    if whole:
        step = float((gaps / np.rint(gaps / step)).mean())
    count, total = len(gaps) + 1, round(gaps.sum() / step) + 1
    empty = _EMPTY if gaps.max() > WIDEST_BRIDGED * step else ""
    if total > _MOST_FILLED * count:
        step = float(gaps.sum()) / (_MOST_FILLED * count - 1)
    elif whole:
        return step, False, (f"missing slice: {total - count} of {total} are absent; {_FILLED}{empty}",)
    return step, False, (f"irregular spacing: gaps from {gaps.min():.3g} to {gaps.max():.3g} mm; {_EVENED}{empty}",)


_EMPTY = " Gaps of more than three slices are left empty."
_FILLED = "they are interpolated from their neighbours on the true grid."
_EVENED = "on the true grid slices are interpolated at even distances."


def natural(path: str) -> list[tuple[int, str]]:
    """A sorting key of names in which 2 stands before 10."""
    parts = re.split(r"(\d+)", path)
    return [(int(part), "") if part.isdigit() and part.isascii() else (-1, part) for part in parts]


def _whole_multiples(gaps: NDArray[np.float64], step: float) -> bool:
    multiples = gaps / step
    return bool(np.abs(multiples - np.rint(multiples)).max() <= 5 * _REGULAR and multiples.min() > 0.5)


def _shifted(positions: NDArray[np.float64], where: NDArray[np.float64], pixel: float) -> tuple[str, ...]:
    """Planes that lie beside the line from the first to the last one, by more than half a pixel or 0.5 mm."""
    if len(where) < 3:
        return ()
    part = (where - where[0]) / (where[-1] - where[0])
    beside = np.linalg.norm(positions - positions[0] - part[:, None] * (positions[-1] - positions[0]), axis=1)
    count = int((beside > min(_SHIFT, pixel / 2)).sum())
    if count == 0:
        return ()
    words = f"shifted slice: {count} of {len(where)} lie up to {beside.max():.3g} mm beside the stack's axis; "
    return (f"{words}on the true grid they are moved to their places.",)


def _tilt(geometry: Geometry) -> tuple[str, ...]:
    axis, normal = geometry.direction[:, 0], np.cross(geometry.direction[:, 2], geometry.direction[:, 1])
    angle = np.degrees(np.arccos(np.clip(abs(axis @ normal), -1, 1)))
    if angle <= _TILT:
        return ()
    words = f"gantry tilt: slices are sheared by {angle:.1f} degrees; shown as stored their places are exact, "
    return (f"{words}the true grid stands upright.",)


def _unlocated(frames: list[Frame], dataset: Any, rows: int, columns: int) -> Stack:
    """Radiographs, cines and other pictures without a place in the patient: in the order of their numbers."""
    ordered = sorted(frames, key=lambda frame: (frame.instance, natural(frame.path), frame.index))
    spacing, calibration = pixel_spacing(dataset)
    sides = side_directions(dataset)
    right, down = sides if sides is not None else ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    affine = np.eye(4)
    affine[:3, 2] = np.array(right) * spacing[1]
    affine[:3, 1] = np.array(down) * spacing[0]
    several = len(ordered) > 1
    affine[:3, 0] = np.cross(right, down) * (1.0 if several else _depth(dataset, spacing))
    warnings: tuple[str, ...] = ()
    if len({frame.path for frame in ordered}) > 1:  # frames of one file follow each other by themselves
        by = "numbers" if len({frame.instance for frame in ordered}) > 1 else "names"
        warnings = (f"The files do not say where each picture lies; they are in the order of their {by}.",)
    geometry = Geometry(
        (len(ordered), rows, columns),
        affine,
        calibration,
        oriented=sides is not None,
        through_space=not several,
        located=False,
    )
    return Stack(tuple(ordered), geometry, None, 1.0, warnings=warnings)
