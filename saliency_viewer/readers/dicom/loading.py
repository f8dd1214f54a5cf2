"""From headers of one series to Series that can load their pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Series, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import frames_of, number, text
from saliency_viewer.readers.dicom.pixels import Decoded, decode
from saliency_viewer.readers.dicom.stacking import Stack, build_stack, split_stacks
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import orientation_name

_UNITS = {"CT": "HU"}


def series_of(group: list[tuple[Path, Any]]) -> list[Series]:
    """The stacks in files of one series, described; usually one."""
    dataset = group[0][1]
    rows, columns = int(number(dataset, "Rows", 0) or 0), int(number(dataset, "Columns", 0) or 0)
    if rows < 1 or columns < 1:
        return []
    frames = [frame for path, header in group for frame in frames_of(header, str(path))]
    stacks = split_stacks(frames)
    described = []
    for position, planes in enumerate(stacks, start=1):
        stack = build_stack(planes, dataset, rows, columns)
        part = f"stack {position} of {len(stacks)}" if len(stacks) > 1 else ""
        described.append(_series(stack, dataset, part))
    return described


def _series(stack: Stack, dataset: Any, part: str) -> Series:
    words = [text(dataset, "SeriesDescription"), part]
    geometry = stack.geometry
    warnings = stack.warnings
    if part:
        warnings = (f"The series holds several stacks; this is {part}.", *warnings)
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    return Series(
        uid=text(dataset, "SeriesInstanceUID") or text(dataset, "SOPInstanceUID"),
        number=int(number(dataset, "SeriesNumber", 1) or 1),
        modality=text(dataset, "Modality"),
        description=" · ".join(word for word in words if word),
        rows=geometry.shape[1],
        columns=geometry.shape[2],
        slices=len(stack.frames),
        spacing_mm=None if geometry.calibration == "none" else geometry.spacing,
        orientation=orientation_name(geometry),
        transfer_syntax=syntax.name if syntax is not None else "Implicit VR Little Endian (assumed)",
        loader=_loader(stack, dataset, warnings),
        body_part=text(dataset, "BodyPartExamined"),
        view=text(dataset, "ViewPosition"),
        warnings=warnings,
    )


def _loader(stack: Stack, header: Any, warnings: tuple[str, ...]) -> Callable[[RunContext], Volume]:
    modality = text(header, "Modality")
    details: dict[str, Any] = {
        "modality": modality,
        "units": _UNITS.get(modality, ""),
        "body_part": text(header, "BodyPartExamined"),
        "view": text(header, "ViewPosition"),
        "series_uid": text(header, "SeriesInstanceUID"),
        "warnings": warnings,
    }

    def load(context: RunContext) -> Volume:
        values, colour, first = _planes(stack, context)
        if not stack.regular:
            values, colour = _interpolated(values, stack), None
        return Volume(
            values, stack.geometry, window=first.window, value_range=first.value_range, colour=colour, **details
        )

    return load


def _planes(stack: Stack, context: RunContext) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None, Decoded]:
    """Planes in the stack's order; every file is decoded once and let go."""
    wanted: dict[str, list[tuple[int, int]]] = {}
    for place, frame in enumerate(stack.frames):
        wanted.setdefault(frame.path, []).append((place, frame.index))
    shape = stack.geometry.shape[1:]
    values: list[NDArray[np.generic] | None] = [None] * len(stack.frames)
    colours: list[NDArray[np.uint8] | None] = [None] * len(stack.frames)
    first: Decoded | None = None
    for done, (path, places) in enumerate(wanted.items(), start=1):
        decoded = decode(_whole(path))
        first = first or decoded
        for place, index in places:
            if index >= len(decoded.values) or decoded.values[index].shape != shape:
                raise UserError("A DICOM file holds fewer pixels than it says.", "Copy it again from its source.")
            values[place] = decoded.values[index]
            colours[place] = None if decoded.colour is None else decoded.colour[index]
        context.report(done / len(wanted), "Reading pixels")
    if first is None:
        raise UserError("The series holds no image.", "Choose another series.")
    stacked = np.stack([value for value in values if value is not None])
    coloured = [colour for colour in colours if colour is not None]
    return stacked, np.stack(coloured) if len(coloured) == len(colours) else None, first


def _whole(path: str) -> Any:
    import pydicom

    try:
        return pydicom.dcmread(path, force=True)
    except Exception as error:
        raise UserError(
            "A DICOM file of the series is damaged or cut short.",
            "Copy it again from its source.",
            type(error).__name__,
        ) from error


def _interpolated(values: NDArray[np.generic], stack: Stack) -> NDArray[np.float32]:
    """Linear between the two stored planes around each slice of the grid."""
    count = stack.geometry.shape[0]
    above = np.clip(np.searchsorted(stack.offsets, np.arange(count), side="left"), 1, len(values) - 1)
    below = above - 1
    part = (np.arange(count) - stack.offsets[below]) / (stack.offsets[above] - stack.offsets[below])
    weight = np.clip(part, 0, 1).astype(np.float32)[:, None, None]
    mixed: NDArray[np.float32] = values[below].astype(np.float32) * (1 - weight)
    mixed += values[above].astype(np.float32) * weight
    return mixed
