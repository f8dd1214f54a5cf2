"""The pixels of a stack: read, scaled, turned into a Volume."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from saliency_viewer.domain import Grid, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.decoding import decoded
from saliency_viewer.readers.dicom.filling import Filling, common_padding, common_range, common_windows
from saliency_viewer.readers.dicom.forms import PixelForm
from saliency_viewer.readers.dicom.header import text
from saliency_viewer.readers.dicom.native import is_plain, planes
from saliency_viewer.readers.dicom.quiet import quietly
from saliency_viewer.readers.dicom.sources import Source, open_sources
from saliency_viewer.readers.dicom.stacking import Stack, build_stack
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.memory import require_memory
from saliency_viewer.spatial import RegularGrid

_MOST_GROWN = 8  # times the stored voxels that a regular grid may have
_UNITS = {"HU": "HU", "BQML": "Bq/mL", "CNTS": "counts", "GML": "g/mL", "GY": "Gy", "OD": "OD", "PCT": "%"}


def load(stack: Stack, header: Any, grid: Grid | None, context: RunContext) -> Volume:
    """The volume of a stack on a grid; without a wish, on the one that puts every voxel at its place.

    Raises :class:`UserError` when no picture can be decoded.
    """
    with quietly():  # headers convert their values late, and remark on them
        volume, used = _load(stack, header, context.part(0.0, 0.8))
    usual: Grid = "stored" if used.even else "regular"
    if (grid or usual) == "regular" and can_be_regular(used):
        return _regular(volume, used, context.part(0.8, 1.0))
    if used.even:
        return volume
    words = "As stored: distances along the slices are averages, and places between the ends are not exact."
    # A mask that is placed by millimetres would land on wrong slices.
    geometry = replace(volume.geometry, located=False)
    return replace(volume, geometry=geometry, warnings=(*volume.warnings, words))


def can_be_regular(stack: Stack) -> bool:
    """Whether a regular grid is another one than the stored one, and not many times larger."""
    if (stack.even and stack.upright) or stack.positions is None:
        return False
    grid = RegularGrid.of(stack.geometry, stack.positions, stack.step).geometry
    return math.prod(grid.shape) <= _MOST_GROWN * math.prod(stack.geometry.shape)


def _regular(stored: Volume, stack: Stack, context: RunContext) -> Volume:
    """The planes resampled onto even distances and right angles, float32; colours each by itself."""
    if stack.positions is None:
        raise ValueError("planes without places")
    grid = RegularGrid.of(stack.geometry, stack.positions, stack.step)
    fill = float(stored.padding[0]) if stored.padding is not None else float(stored.array.min())
    values = grid.resample(stored.array.__getitem__, fill, lambda part: context.report(part, "Resampling"))
    colour = None
    if stored.colour is not None:
        channels = [grid.resample(stored.colour[..., k].__getitem__, 0.0, lambda _part: None) for k in range(3)]
        colour = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    overlays = stored.overlays
    if overlays is not None:
        overlays = grid.resample(overlays.__getitem__, 0.0, lambda _part: None) >= 0.5
    return replace(stored, array=values, geometry=grid.geometry, colour=colour, overlays=overlays)


def _load(stack: Stack, header: Any, context: RunContext) -> tuple[Volume, Stack]:
    """The volume of all planes that can be read, and their stack."""
    sources, broken = open_sources(stack)
    if not sources:
        raise next(iter(broken.values()), UserError("The series holds no image.", "Choose another series."))
    require_memory(math.prod(stack.geometry.shape) * _bytes_each(sources))
    filling = Filling(stack.geometry.shape, sources)
    _fill(filling, sources, broken, context)
    if len(broken) > 0 and all(source.path in broken for source in sources):
        raise next(iter(broken.values()))
    used = stack
    if broken:
        filling.keep([slot for slot, frame in enumerate(stack.frames) if frame.path not in broken])
        used = _without(stack, set(broken), header)
    good = [source for source in sources if source.path not in broken]
    window, windows = common_windows(good) if filling.colour is None else (None, ())
    volume = Volume(
        filling.values,
        used.geometry,
        modality=text(header, "Modality"),
        units="" if filling.colour is not None else _units(header),
        body_part=text(header, "BodyPartExamined"),
        view=text(header, "ViewPosition"),
        window=window,
        windows=windows,
        value_range=(0.0, 255.0) if filling.colour is not None else common_range(good),
        padding=common_padding(good) if filling.colour is None else None,
        overlays=filling.overlays,
        colour=filling.colour,
        series_uid=text(header, "SeriesInstanceUID"),
        warnings=used.warnings,
    )
    return volume, used


def _fill(filling: Filling, sources: list[Source], broken: dict[str, UserError], context: RunContext) -> None:
    """Read plain files directly and leave the others to the decoders; what cannot be read joins ``broken``."""
    plain = [source for source in sources if is_plain(source)]
    others = [source for source in sources if not is_plain(source)]
    total = max(1, sum(len(source.slots) for source in sources))
    done = 0
    for source in plain:
        wanted = [0] if source.mosaic is not None else list(source.slots)
        try:
            for index, plane in zip(wanted, planes(source, wanted), strict=True):
                filling.put(source, index, plane)
        except UserError as error:
            broken[source.path] = error
        except OSError as error:
            broken[source.path] = UserError(
                "A DICOM file of the series could not be read.", "Check the disk.", type(error).__name__
            )
        done += len(source.slots)
        context.report(done / total, "Reading pixels")
    for source, index, plane in decoded(others, broken, context):
        try:
            filling.put(source, index, plane)
        except UserError as error:
            broken[source.path] = error
        done += len(source.slots) if source.mosaic is not None else 1
        context.report(done / total, "Decoding pixels")


def _without(stack: Stack, broken: set[str], header: Any) -> Stack:
    """The stack of the planes that are left, with words about the others."""
    left = [frame for frame in stack.frames if frame.path not in broken]
    rebuilt = build_stack(left, header, *stack.geometry.shape[1:])
    words = f"unreadable slice: {len(broken)} of the series' files cannot be decoded and are left out."
    fresh = tuple(one for one in rebuilt.warnings if one not in stack.warnings)
    return replace(rebuilt, warnings=(*stack.warnings, words, *fresh))


def _units(header: Any) -> str:
    said = text(header, "RescaleType").upper() or text(header, "Units").upper() or text(header, "DoseUnits").upper()
    if said:
        return _UNITS.get(said, "")
    # A capture of a CT's picture, or one turned round, holds no Hounsfield units.
    scaled = "RescaleIntercept" in header and not PixelForm.of(header).inverted
    return "HU" if text(header, "Modality") == "CT" and scaled else ""


def _bytes_each(sources: list[Source]) -> int:
    """Bytes of one voxel while its series is read."""
    if any(source.form.coloured for source in sources):
        return 4
    return 4 if any(source.form.allocated > 16 or not all(s.whole for s in source.scales) for source in sources) else 2
