"""Every plane of a file: where it lies, and what tells it apart from another plane at the same place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from saliency_viewer.readers.dicom.header import (
    functional,
    items,
    number,
    numbers,
    private,
    shared_groups,
    text,
    whole,
)
from saliency_viewer.readers.dicom.mosaic import mosaic_of

MOST_FRAMES = 100_000  # of one file
_AT_ZERO = 1e-6
_FARTHEST = 1e6  # mm; a place farther away is damage
# What tells planes at one place apart, most telling first: name, unit.
DIMENSIONS = (
    ("time", ""),
    ("b-value", "s/mm²"),
    ("echo time", "ms"),
    ("inversion time", "ms"),
    ("phase", "%"),
    ("kind", ""),
    ("energy window", ""),
    ("detector", ""),
    ("stack", ""),
    ("direction", ""),
    ("kernel", ""),
    ("tube voltage", "kV"),
    ("trigger time", "ms"),
    ("acquisition", ""),
    ("acquisition time", ""),
    ("content time", ""),
)
_EMPTY = ("",) * len(DIMENSIONS)


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One stored plane: the file it is in, its number there, and where it lies (LPS mm).

    ``dimensions`` has one text for each of :data:`DIMENSIONS`, empty where the file does not say. ``spacing`` is the
    frame's own pixel size where an enhanced file gives each one; ``instance_uid`` the file's, to know it again.
    """

    path: str
    index: int
    instance: int
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    dimensions: tuple[str, ...] = _EMPTY
    spacing: tuple[float, ...] = ()
    instance_uid: str = ""


def frame_count(dataset: Any) -> int:
    """The number of stored pictures."""
    return max(1, whole(dataset, "NumberOfFrames", 1))


def frames_of(dataset: Any, path: str) -> list[Frame]:
    """One plane, those of the per-frame functional groups, of a frame offset vector, of slices, or of a mosaic."""
    found = _frames(dataset, path)
    if len(found) == 1 and found[0].instance_uid:
        return found
    uid = text(dataset, "SOPInstanceUID")
    return [replace(frame, instance_uid=uid) for frame in found]


def _frames(dataset: Any, path: str) -> list[Frame]:
    count = frame_count(dataset)
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    if groups and len(groups) >= count:
        shared = shared_groups(dataset)
        first = whole(dataset, "ConcatenationFrameOffsetNumber", 0)
        return [replace(_enhanced(groups[k], shared, path, k), instance=first + k) for k in range(count)]
    position, orientation = _place(dataset)
    instance = whole(dataset, "InstanceNumber", 0)
    if count > 1:
        first = whole(dataset, "ConcatenationFrameOffsetNumber", 0)
        return [replace(frame, instance=first + frame.index) for frame in _many(dataset, path, count)]
    mosaic = mosaic_of(dataset)
    said = _said(dataset)
    if mosaic is None:
        return [Frame(path, 0, instance, position, orientation, said, (), text(dataset, "SOPInstanceUID"))]
    places = mosaic.places if orientation is not None else None
    return [Frame(path, k, instance, places[k] if places else None, orientation, said) for k in range(mosaic.count)]


def _many(dataset: Any, path: str, count: int) -> list[Frame]:
    """Frames of a file without functional groups: dose grids, nuclear medicine, cines."""
    position, orientation = _place(dataset)
    offsets = numbers(dataset, "GridFrameOffsetVector")
    if len(offsets) >= count and position is not None and orientation is not None:
        ways = _ways(offsets[:count], orientation)
        return [Frame(path, k, k, _along(position, orientation, way), orientation) for k, way in enumerate(ways)]
    return _nuclear(dataset, path, count) or [Frame(path, k, k, None, None) for k in range(count)]


def _ways(offsets: tuple[float, ...], orientation: tuple[float, ...]) -> list[float]:
    """Ways along the normal; a vector that does not start at 0 holds places along z (PS3.3 C.8.8.3.2)."""
    upwards = float(np.cross(orientation[:3], orientation[3:])[2])
    turn = -1.0 if abs(offsets[0]) > _AT_ZERO and upwards < 0 else 1.0
    return [turn * (offset - offsets[0]) for offset in offsets]


def _nuclear(dataset: Any, path: str, count: int) -> list[Frame]:
    """Reconstructed slices of nuclear medicine (PS3.3 C.8.4.15): a first place, a distance, and vectors of indices."""
    detector = next(iter(items(dataset, "DetectorInformationSequence")), None)
    if detector is None:
        return []
    position, orientation = _place(detector)
    step = number(dataset, "SpacingBetweenSlices")
    if position is None or orientation is None or not step or "TOMO" not in text(dataset, "ImageType").upper():
        return []
    slices = _vector(dataset, "SliceVector", count) or tuple(range(1, count + 1))
    energies, gates = _vector(dataset, "EnergyWindowVector", count), _vector(dataset, "TimeSlotVector", count)
    detectors = _vector(dataset, "DetectorVector", count)
    found = []
    for k in range(count):
        said = {"time": gates, "energy window": energies, "detector": detectors}
        dimensions = tuple(str(said[name][k]) if said.get(name) else "" for name, _ in DIMENSIONS)
        place = _along(position, orientation, step * (slices[k] - 1))
        found.append(Frame(path, k, k, place, orientation, dimensions))
    return found


def _vector(dataset: Any, keyword: str, count: int) -> tuple[int, ...]:
    found = numbers(dataset, keyword)
    return tuple(map(int, found)) if len(found) == count else ()


def _along(position: tuple[float, ...], orientation: tuple[float, ...], way: float) -> tuple[float, ...]:
    normal = np.cross(orientation[:3], orientation[3:])
    return tuple(float(x) for x in np.asarray(position) + normal * way)


def _enhanced(group: Any, shared: Any, path: str, index: int) -> Frame:
    position = numbers(functional(group, shared, "PlanePositionSequence"), "ImagePositionPatient")
    orientation = numbers(functional(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient")
    content = functional(group, shared, "FrameContentSequence")
    diffusion = functional(group, shared, "MRDiffusionSequence")
    gradient = functional(diffusion, None, "DiffusionGradientDirectionSequence")
    echo = functional(group, shared, "MREchoSequence")
    cardiac = functional(group, shared, "CardiacSynchronizationSequence")
    timing = functional(group, shared, "TemporalPositionSequence")
    modifier = functional(group, shared, "MRModifierSequence")
    kind = functional(group, shared, "MRImageFrameTypeSequence") or functional(
        group, shared, "CTImageFrameTypeSequence"
    )
    said = {
        "stack": text(content, "StackID"),
        "time": text(content, "TemporalPositionIndex") or text(timing, "TemporalPositionTimeOffset"),
        "inversion time": text(modifier, "InversionTimes"),
        "trigger time": text(cardiac, "NominalCardiacTriggerDelayTime"),
        "b-value": text(diffusion, "DiffusionBValue"),
        "direction": text(gradient, "DiffusionGradientOrientation"),
        "echo time": text(echo, "EffectiveEchoTime"),
        "phase": text(cardiac, "NominalPercentageOfCardiacPhase"),
        "kind": " ".join(filter(None, (_kind(text(kind, "FrameType")), text(kind, "ComplexImageComponent")))),
        "acquisition": text(content, "FrameAcquisitionNumber"),
        "acquisition time": text(content, "FrameAcquisitionDateTime"),
    }
    usable = _usable(position, orientation)
    dimensions = tuple(said.get(name, "") for name, _ in DIMENSIONS)
    spacing = numbers(functional(group, None, "PixelMeasuresSequence"), "PixelSpacing")
    if not usable:
        return Frame(path, index, index, None, None, dimensions, spacing)
    return Frame(path, index, index, position, orientation, dimensions, spacing)


def _place(dataset: Any) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    position, orientation = numbers(dataset, "ImagePositionPatient"), numbers(dataset, "ImageOrientationPatient")
    return (position, orientation) if _usable(position, orientation) else (None, None)


def _usable(position: tuple[float, ...], orientation: tuple[float, ...]) -> bool:
    if len(position) != 3 or len(orientation) != 6 or max(map(abs, position)) > _FARTHEST:
        return False
    return _is_rotation(orientation)


@lru_cache(maxsize=1024)
def _is_rotation(orientation: tuple[float, ...]) -> bool:
    rows, columns = np.array(orientation[:3]), np.array(orientation[3:])
    if max(map(abs, orientation)) > 2:
        return False
    unit = abs(np.linalg.norm(rows) - 1) < 0.01 and abs(np.linalg.norm(columns) - 1) < 0.01
    return bool(unit and abs(rows @ columns) < 0.01)


def _said(dataset: Any) -> tuple[str, ...]:
    """What a single-frame file says for each of DIMENSIONS, in their order."""
    return (
        text(dataset, "TemporalPositionIdentifier"),
        _b_value(dataset),
        text(dataset, "EchoTime"),
        text(dataset, "InversionTime"),
        "",
        _kind(text(dataset, "ImageType")),
        "",
        "",
        "",
        text(dataset, "DiffusionGradientOrientation"),
        text(dataset, "ConvolutionKernel"),
        text(dataset, "KVP"),
        text(dataset, "TriggerTime"),
        text(dataset, "AcquisitionNumber"),
        text(dataset, "AcquisitionTime"),
        text(dataset, "ContentTime"),
    )


@lru_cache(maxsize=1024)
def _kind(image_type: str) -> str:
    """The image type behind its first two values: magnitude or phase, water or fat, the map's name."""
    return " ".join(part for part in image_type.split("\\")[2:] if part)


def _b_value(dataset: Any) -> str:
    """The standard's b-value, or that of Siemens, GE or Philips."""
    standard = text(dataset, "DiffusionBValue")
    if standard:
        return standard
    for name in ("SiemensBValue", "PhilipsBValue", "GEBValue"):
        found = _private_number(private(dataset, name))
        if found is not None:
            # GE adds a billion to the value to say that it was measured.
            return f"{found % 1_000_000_000:g}"
    return ""


def _private_number(raw: Any) -> float | None:
    if raw is None:
        return None
    if isinstance(raw, bytes):
        # Files that went through an archive hold private values as bytes of unknown kind.
        raw = raw.decode("latin-1")
    first = raw if isinstance(raw, str | int | float) else next(iter(raw), None)
    try:
        found = float(str(first).split("\\")[0].strip(" \0"))
    except ValueError:
        return None
    return found if 0 <= found < 1e12 else None
