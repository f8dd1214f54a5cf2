"""From headers of one series to Series that can load their pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Series, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import frames_of, number, text
from saliency_viewer.readers.dicom.payload import quietly
from saliency_viewer.readers.dicom.pixels import Decoded, common_range, common_window, decode, joined
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
    most = max(map(len, stacks))
    for position, planes in enumerate(stacks, start=1):
        stack = build_stack(planes, dataset, rows, columns)
        part = f"stack {position} of {len(stacks)}" if len(stacks) > 1 else ""
        if len(planes) < most:
            words = f"incomplete stack: it has {len(planes)} slices, another one of the series {most}."
            stack = replace(stack, warnings=(words, *stack.warnings))
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
        decoded, broken = _decoded(stack, context)
        used, notes = (stack, ()) if not broken else _without(stack, broken, header)
        values, colour = _planes(used, decoded)
        if not used.regular:
            values, colour = _interpolated(values, used), None
        found = list(decoded.values())
        return Volume(
            values,
            used.geometry,
            window=common_window([one.window for one in found]),
            value_range=common_range([one.value_range for one in found]),
            colour=colour,
            **(details | {"warnings": (*warnings, *notes)}),
        )

    return load


def _decoded(stack: Stack, context: RunContext) -> tuple[dict[str, Decoded], set[str]]:
    """Every file of the stack decoded once, and the files that cannot be; raises when none can."""
    paths = list(dict.fromkeys(frame.path for frame in stack.frames))
    found: dict[str, Decoded] = {}
    broken: dict[str, UserError] = {}
    for done, path in enumerate(paths, start=1):
        try:
            with quietly():
                found[path] = _checked(decode(_whole(path)), path, stack)
        except UserError as error:
            broken[path] = error
        context.report(done / len(paths), "Reading pixels")
    if not found:
        raise next(iter(broken.values()), UserError("The series holds no image.", "Choose another series."))
    return found, set(broken)


def _checked(decoded: Decoded, path: str, stack: Stack) -> Decoded:
    needed = max(frame.index for frame in stack.frames if frame.path == path)
    if needed >= len(decoded.values) or decoded.values.shape[1:] != stack.geometry.shape[1:]:
        raise UserError("A DICOM file holds fewer pixels than it says.", "Copy it again from its source.")
    return decoded


def _without(stack: Stack, broken: set[str], header: Any) -> tuple[Stack, tuple[str, ...]]:
    """The stack of the planes that are left, and what to say about it."""
    left = [frame for frame in stack.frames if frame.path not in broken]
    rebuilt = build_stack(left, header, *stack.geometry.shape[1:])
    words = f"unreadable slice: {len(broken)} of the series' files cannot be decoded and are left out."
    fresh = tuple(one for one in rebuilt.warnings if one not in stack.warnings)
    return rebuilt, (words, *fresh)


def _planes(stack: Stack, decoded: dict[str, Decoded]) -> tuple[NDArray[np.generic], NDArray[np.uint8] | None]:
    """Planes in the stack's order."""
    values = joined([decoded[frame.path].values[frame.index][None] for frame in stack.frames])
    colours = [decoded[frame.path].colour for frame in stack.frames]
    whole = [colour[frame.index] for colour, frame in zip(colours, stack.frames, strict=True) if colour is not None]
    return values, np.stack(whole) if len(whole) == len(colours) else None


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
