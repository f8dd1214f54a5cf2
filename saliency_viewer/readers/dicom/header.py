"""What is needed of one image's header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saliency_viewer.domain import Identity

_SIDES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}


@dataclass(frozen=True, eq=False)
class Frame:
    """One stored plane: the file it is in, its number there, and where it lies (LPS mm)."""

    path: str
    index: int
    instance: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    stack: tuple[str, ...] = ()  # tells stacks at one place apart: echo, b-value, time


def text(dataset: Any, keyword: str) -> str:
    """A string attribute, empty when absent or unreadable."""
    try:
        value = dataset.get(keyword)
    except Exception:  # a value that pydicom cannot convert is as good as none
        return ""
    return "" if value is None else str(value).strip()


def number(dataset: Any, keyword: str, default: float | None = None) -> float | None:
    """A number attribute (the first of several), ``default`` when absent or not finite."""
    found = numbers(dataset, keyword)
    return found[0] if found else default


def numbers(dataset: Any, keyword: str) -> tuple[float, ...]:
    """A multi-valued number attribute, empty when absent, malformed or not finite."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return ()
        items = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
        found = tuple(float(item) for item in items)
    except Exception:  # as above: broken numbers in headers are common and must not stop a study
        return ()
    return found if np.isfinite(found).all() else ()


def identity(dataset: Any) -> Identity:
    """Who it is of; kept apart from everything that is shown or written."""
    return Identity(
        text(dataset, "PatientName"),
        text(dataset, "PatientID"),
        text(dataset, "PatientBirthDate"),
        text(dataset, "StudyDate"),
    )


def frames_of(dataset: Any, path: str) -> list[Frame]:
    """Every plane of a file: one, those of the per-frame functional groups, or those of a frame offset vector."""
    count = max(1, int(number(dataset, "NumberOfFrames", 1) or 1))
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    if groups and len(groups) >= count:
        return [_enhanced(groups[k], shared, path, k) for k in range(count)]
    position, orientation = _six(dataset)
    instance = int(number(dataset, "InstanceNumber", 0) or 0)
    if count == 1:
        return [Frame(path, 0, instance, position, orientation, _stack(dataset))]
    offsets = numbers(dataset, "GridFrameOffsetVector")
    return [Frame(path, k, k, _offset(position, orientation, offsets, k), orientation) for k in range(count)]


def _offset(
    position: tuple[float, ...] | None, orientation: tuple[float, ...] | None, offsets: tuple[float, ...], frame: int
) -> tuple[float, ...] | None:
    if position is None or orientation is None or frame >= len(offsets):
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    return tuple(np.asarray(position) + normal * (offsets[frame] - offsets[0]))


def _enhanced(group: Any, shared: Any, path: str, index: int) -> Frame:
    position = numbers(functional(group, shared, "PlanePositionSequence"), "ImagePositionPatient")
    orientation = numbers(functional(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient")
    content = functional(group, shared, "FrameContentSequence")
    stack = (text(content, "StackID"), text(content, "TemporalPositionIndex"))
    diffusion = functional(group, shared, "MRDiffusionSequence")
    return Frame(
        path, index, index, position or None, orientation or None, (*stack, text(diffusion, "DiffusionBValue"))
    )


def functional(group: Any, shared: Any, keyword: str) -> Any:
    """The item of a functional group macro: the frame's own, else the shared one, else an empty dictionary."""
    return _first(group, keyword) or _first(shared, keyword) or {}


def _first(dataset: Any, keyword: str) -> Any:
    sequence = dataset.get(keyword) if dataset is not None else None
    return sequence[0] if sequence else {}


def _six(dataset: Any) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    position, orientation = numbers(dataset, "ImagePositionPatient"), numbers(dataset, "ImageOrientationPatient")
    usable = len(position) == 3 and len(orientation) == 6 and _is_rotation(orientation)
    return (position, orientation) if usable else (None, None)


def _is_rotation(orientation: tuple[float, ...]) -> bool:
    rows, columns = np.array(orientation[:3]), np.array(orientation[3:])
    unit = abs(np.linalg.norm(rows) - 1) < 0.01 and abs(np.linalg.norm(columns) - 1) < 0.01
    return bool(unit and abs(rows @ columns) < 0.01)


def _stack(dataset: Any) -> tuple[str, ...]:
    keys = ("EchoTime", "TemporalPositionIdentifier", "DiffusionBValue", "TriggerTime", "AcquisitionNumber")
    return tuple(text(dataset, key) for key in keys)


def side_directions(dataset: Any) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """LPS unit vectors of growing columns and rows from PatientOrientation (a radiograph's), None when unknown."""
    value = dataset.get("PatientOrientation")
    if value is None or isinstance(value, str) or len(value) != 2:
        return None
    found = [_SIDES.get(str(item)[:1].upper()) for item in value]
    if found[0] is None or found[1] is None or abs(np.dot(found[0], found[1])) > 0:
        return None
    return tuple(map(float, found[0])), tuple(map(float, found[1]))
