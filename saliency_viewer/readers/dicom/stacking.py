"""Ordering planes into a stack, its geometry, and everything unusual about it in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.calibration import pixel_spacing, slice_distance
from saliency_viewer.readers.dicom.header import Frame, side_directions
from saliency_viewer.spatial import Geometry

_SAME_PLACE = 1e-3  # mm; closer planes are one place
_REGULAR = 0.01  # part of the gap by which gaps may differ
_SHIFT = 0.5  # mm sideways that a plane may lie off, at most half a pixel
_TILT = 0.2  # degrees between the stack's axis and the slices' normal
_MOST_FILLED = 4  # a regular grid may have that many times more slices than were stored


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes in order along the normal.

    ``offsets`` (slices,) are the planes' places in units of the geometry's slice index: 0, 1, 2, ... for a regular
    stack; for an irregular one the loader interpolates between them onto the geometry's slices.
    """

    frames: tuple[Frame, ...]
    geometry: Geometry
    offsets: NDArray[np.float64]
    warnings: tuple[str, ...]

    @property
    def regular(self) -> bool:
        """Whether every stored plane is a slice of the grid and the other way round."""
        return len(self.offsets) == self.geometry.shape[0]


def split_stacks(frames: list[Frame]) -> list[list[Frame]]:
    """Separate planes of different orientation, and stacks that lie at the same places (times, echoes, b-values)."""
    by_orientation: dict[tuple[float, ...], list[Frame]] = {}
    for frame in frames:
        key = tuple(np.round(frame.orientation, 3) + 0.0) if frame.orientation else ()
        by_orientation.setdefault(key, []).append(frame)
    found = []
    for group in by_orientation.values():
        found += _split_in_time(group)
    return found


def _split_in_time(frames: list[Frame]) -> list[list[Frame]]:
    if any(frame.position is None for frame in frames):
        return [frames]
    places: dict[int, list[Frame]] = {}
    for frame, along in zip(frames, _along(frames), strict=True):
        places.setdefault(round(along / (10 * _SAME_PLACE)), []).append(frame)
    most = max(len(group) for group in places.values())
    if most == 1 or len(places) == 1 or not _are_stacks(list(places.values())):
        return [frames]
    ordered = [sorted(group, key=lambda f: (f.stack, f.instance)) for group in places.values()]
    return [[group[k] for group in ordered if k < len(group)] for k in range(most)]


def _are_stacks(places: list[list[Frame]]) -> bool:
    """Whether planes at one place are times or echoes, the last perhaps incomplete, and not stray duplicates."""
    crowded = [group for group in places if len(group) > 1]
    if len(crowded) == len(places):
        return True
    differ = all(len({frame.stack for frame in group}) == len(group) for group in crowded)
    return differ or (len(crowded) > 1 and 2 * len(crowded) >= len(places))


def _along(frames: list[Frame]) -> NDArray[np.float64]:
    """Places along the normal, mm."""
    orientation = np.array(frames[0].orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    return np.array([np.dot(frame.position or (0, 0, 0), normal) for frame in frames])


def build_stack(frames: list[Frame], dataset: Any, rows: int, columns: int) -> Stack:
    """Sort, measure and describe one stack; ``dataset`` is the header of one of its files."""
    spacing, calibration = pixel_spacing(dataset)
    located = all(frame.position is not None and frame.orientation is not None for frame in frames)
    if not located:
        return _unlocated(frames, dataset, rows, columns)
    along = _along(frames)
    instances = np.array([frame.instance for frame in frames])
    order = np.lexsort((instances, np.round(along / _SAME_PLACE)))
    kept, places, warnings = _without_duplicates([frames[k] for k in order], along[order])
    offsets, count, more = _grid(places)
    warnings += more
    affine = np.eye(4)
    orientation = np.array(kept[0].orientation)
    affine[:3, 2] = orientation[:3] * spacing[1]
    affine[:3, 1] = orientation[3:] * spacing[0]
    first, last = np.array(kept[0].position), np.array(kept[-1].position)
    normal = np.cross(orientation[:3], orientation[3:])
    affine[:3, 0] = (last - first) / (count - 1) if count > 1 else normal * slice_distance(dataset)
    affine[:3, 3] = first
    warnings += _shifted(np.array([frame.position for frame in kept]), places, min(spacing))
    warnings += _tilt(affine[:3, 0], normal) if count > 1 else ()
    return Stack(tuple(kept), Geometry((count, rows, columns), affine, calibration), offsets, warnings)


def _without_duplicates(
    frames: list[Frame], along: NDArray[np.float64]
) -> tuple[list[Frame], NDArray[np.float64], tuple[str, ...]]:
    keep = np.concatenate([[True], np.diff(along) > _SAME_PLACE])
    dropped = int((~keep).sum())
    words = (f"duplicate slice: {dropped} of {len(frames)} lie where another one does; the first is used.",)
    return [frame for frame, k in zip(frames, keep, strict=True) if k], along[keep], words if dropped else ()


def _grid(places: NDArray[np.float64]) -> tuple[NDArray[np.float64], int, tuple[str, ...]]:
    """Offsets of the planes in slices of a regular grid, the number of its slices, and warnings."""
    count = len(places)
    regular = np.arange(count, dtype=np.float64)
    if count < 3:
        return regular, count, ()
    gaps = np.diff(places)
    step = float(np.median(gaps))
    if np.abs(gaps - gaps.mean()).max() <= max(_REGULAR * step, 2 * _SAME_PLACE):
        return regular, count, ()
    whole = _whole_multiples(gaps, step)
    if not whole:
        # With few slices the median lies between one gap and a double one.
        step = float(gaps.min())
        whole = _whole_multiples(gaps, step)
    total = round((places[-1] - places[0]) / step) + 1
    if total > _MOST_FILLED * count:
        words = f"irregular spacing: gaps from {gaps.min():.3g} to {gaps.max():.3g} mm; slices are shown as stored, "
        return regular, count, (f"{words}places between the first and the last are not exact.",)
    offsets = (places - places[0]) / (places[-1] - places[0]) * (total - 1)
    if whole:
        words = f"missing slice: {total - count} of {total} are absent; they are interpolated from their neighbours."
        return offsets, total, (words,)
    words = f"irregular spacing: gaps from {gaps.min():.3g} to {gaps.max():.3g} mm; "
    return offsets, total, (f"{words}interpolated onto slices {step:.3g} mm apart.",)


def _whole_multiples(gaps: NDArray[np.float64], step: float) -> bool:
    multiples = gaps / step
    return bool(np.abs(multiples - np.rint(multiples)).max() <= 5 * _REGULAR and multiples.min() > 0.5)


def _shifted(positions: NDArray[np.float64], places: NDArray[np.float64], pixel: float) -> tuple[str, ...]:
    """Planes that lie beside the line from the first to the last one, by more than half a pixel or 0.5 mm."""
    if len(places) < 3:
        return ()
    part = (places - places[0]) / (places[-1] - places[0])
    beside = np.linalg.norm(positions - positions[0] - part[:, None] * (positions[-1] - positions[0]), axis=1)
    count = int((beside > min(_SHIFT, pixel / 2)).sum())
    if count == 0:
        return ()
    words = f"shifted slice: {count} of {len(places)} lie up to {beside.max():.3g} mm beside the stack's axis; "
    return (f"{words}they are shown as stored, so places in them are off by that much.",)


def _tilt(axis: NDArray[np.float64], normal: NDArray[np.float64]) -> tuple[str, ...]:
    angle = np.degrees(np.arccos(np.clip(abs(axis @ normal) / np.linalg.norm(axis), -1, 1)))
    if angle <= _TILT:
        return ()
    return (f"gantry tilt: slices are sheared by {angle:.1f} degrees; places are exact, pictures are shown as stored.",)


def _unlocated(frames: list[Frame], dataset: Any, rows: int, columns: int) -> Stack:
    """Radiographs and other images without a place in the patient: in the order of their numbers."""
    ordered = sorted(frames, key=lambda frame: (frame.instance, frame.path, frame.index))
    spacing, calibration = pixel_spacing(dataset)
    sides = side_directions(dataset)
    right, down = sides if sides is not None else ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    affine = np.eye(4)
    affine[:3, 2] = np.array(right) * spacing[1]
    affine[:3, 1] = np.array(down) * spacing[0]
    affine[:3, 0] = np.cross(right, down) * slice_distance(dataset)
    warnings: tuple[str, ...] = ()
    if len(ordered) > 1:
        warnings = ("The files do not say where each picture lies; they are in the order of their numbers.",)
    geometry = Geometry((len(ordered), rows, columns), affine, calibration, oriented=sides is not None)
    return Stack(tuple(ordered), geometry, np.arange(len(ordered), dtype=np.float64), warnings)
