"""From headers of one series to Series that can load their pixels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from saliency_viewer.domain import Grid, Series
from saliency_viewer.readers.dicom.dimensions import split
from saliency_viewer.readers.dicom.frames import frames_of
from saliency_viewer.readers.dicom.header import identity, text, transfer_syntax, whole
from saliency_viewer.readers.dicom.loading import can_be_regular, load
from saliency_viewer.readers.dicom.mosaic import mosaic_of
from saliency_viewer.readers.dicom.ranking import Group
from saliency_viewer.readers.dicom.scan import Entry
from saliency_viewer.readers.dicom.stacking import Stack, build_stack
from saliency_viewer.spatial import RegularGrid, orientation_name


def series_of(group: list[Entry], copies: int = 0) -> list[Series]:
    """The stacks in files of one series, described; usually one. ``copies`` of the files were left out."""
    header = group[0].header
    rows, columns = _plane_size(header)
    frames = [frame for entry in group for frame in frames_of(entry.header, str(entry.path))]
    headers = {str(entry.path): entry.header for entry in group}
    parts = split(frames)
    most = max(len(part.frames) for part in parts)
    found = []
    for place, part in enumerate(parts, start=1):
        own = headers[part.frames[0].path]
        stack = build_stack(part.frames, own, rows, columns)
        stack = replace(stack, warnings=(*part.warnings, *stack.warnings))
        words = _part(part, place, parts, stack)
        if len(part.frames) < most and orientation_of(part) == orientation_of(parts[0]):
            short = f"incomplete stack: it has {len(part.frames)} slices, another one of the series {most}."
            stack = replace(stack, warnings=(short, *stack.warnings))
        if copies:
            twice = f"duplicate slice: {copies} files are copies of other ones of the series and are left out."
            stack = replace(stack, warnings=(*stack.warnings, twice))
        found.append(_series(stack, own, words))
    return found


def orientation_of(part: Group) -> tuple[float, ...]:
    """Directions to compare parts by, a few digits of them."""
    return tuple(round(one, 2) for one in part.frames[0].orientation or ())


def _plane_size(header: Any) -> tuple[int, int]:
    mosaic = mosaic_of(header)
    if mosaic is not None:
        return mosaic.rows, mosaic.columns
    return whole(header, "Rows", 0), whole(header, "Columns", 0)


def _part(part: Group, place: int, parts: list[Group], stack: Stack) -> str:
    """What tells a stack from the others of its series; empty when it is the only one."""
    if len(parts) == 1:
        return ""
    if part.label:
        return part.label
    names = [orientation_of(other) for other in parts]
    if names.count(orientation_of(part)) == 1 and stack.positions is not None:
        return orientation_name(stack.geometry)
    return f"stack {place} of {len(parts)}"


def _series(stack: Stack, header: Any, part: str) -> Series:
    geometry = stack.geometry
    warnings = stack.warnings
    if part:
        warnings = (f"The series holds several stacks; this is {part}.", *warnings)
    stack = replace(stack, warnings=warnings)
    grids = _grids(stack)
    spacing = _spacing(stack, grids[0])
    return Series(
        uid=text(header, "SeriesInstanceUID") or text(header, "SOPInstanceUID"),
        number=whole(header, "SeriesNumber", 1),
        modality=text(header, "Modality"),
        description=" · ".join(word for word in (text(header, "SeriesDescription"), part) if word),
        rows=geometry.shape[1],
        columns=geometry.shape[2],
        slices=len(stack.frames),
        spacing_mm=spacing,
        calibration=geometry.calibration,
        orientation=orientation_name(geometry),
        transfer_syntax=_encoding(header),
        loader=partial(load, stack, header, None),
        body_part=text(header, "BodyPartExamined"),
        view=text(header, "ViewPosition"),
        warnings=warnings,
        study_uid=text(header, "StudyInstanceUID"),
        identity=identity(header),
        grids=grids,
        other_loader=partial(load, stack, header, grids[1]) if len(grids) > 1 else None,
    )


def _grids(stack: Stack) -> tuple[Grid, ...]:
    """The grids that a stack can be shown on, the usual one first.

    A tilted stack's stored grid is exact, so it is the usual one. Of uneven planes only the regular grid has every
    voxel at its place; it is the usual one unless it would be many times larger than what was stored.
    """
    if not can_be_regular(stack):
        return ("stored",)
    return ("stored", "regular") if stack.even else ("regular", "stored")


def _spacing(stack: Stack, grid: Grid) -> tuple[float | None, float, float] | None:
    """(slice, row, column) mm on the grid that is usually shown."""
    geometry = stack.geometry
    if geometry.calibration == "none":
        return None
    if grid == "regular" and stack.positions is not None:
        geometry = RegularGrid.of(geometry, stack.positions, stack.step).geometry
    slices, rows, columns = geometry.spacing
    return (slices if geometry.located and geometry.through_space else None), rows, columns


def _encoding(header: Any) -> str:
    from pydicom.uid import UID

    syntax = transfer_syntax(header)
    return UID(syntax).name if syntax else "unknown"
