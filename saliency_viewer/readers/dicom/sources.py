"""The files of a stack, opened again to read their pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from saliency_viewer.domain import Window
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.forms import (
    ModalityTable,
    PixelForm,
    Scale,
    modality_table,
    padding_of,
    scale_of,
)
from saliency_viewer.readers.dicom.frames import Frame
from saliency_viewer.readers.dicom.header import items, text
from saliency_viewer.readers.dicom.mosaic import Mosaic, mosaic_of
from saliency_viewer.readers.dicom.opening import open_header
from saliency_viewer.readers.dicom.overlays import Overlay, overlays_of
from saliency_viewer.readers.dicom.payload import Payload, complaint
from saliency_viewer.readers.dicom.stacking import Stack
from saliency_viewer.readers.dicom.voi import windows_of
from saliency_viewer.readers.dicom.walk import walk


@dataclass(eq=False)
class Source:
    """One file: its header, how its pixels are written and scaled, and which of its pictures go where.

    ``slots`` maps the number of a picture in the file to slices of the stack.
    """

    path: str
    header: Any
    form: PixelForm
    payload: Payload | None = None
    slots: dict[int, int] = field(default_factory=dict)

    @cached_property
    def mosaic(self) -> Mosaic | None:
        """Its tiles, when it is one."""
        return mosaic_of(self.header)

    @cached_property
    def table(self) -> ModalityTable | None:
        """Its modality table."""
        return modality_table(self.header)

    @cached_property
    def overlays(self) -> tuple[Overlay, ...]:
        """Its graphics."""
        return overlays_of(self.header)

    @cached_property
    def floats(self) -> bool:
        """Whether its pixels are floating numbers."""
        return self.payload is not None and self.payload.floating

    @cached_property
    def _scales_differ(self) -> bool:
        return bool(items(self.header, "PerFrameFunctionalGroupsSequence"))

    @cached_property
    def _scale(self) -> Scale:
        return scale_of(self.header, 0)

    def scale(self, frame: int) -> Scale:
        """Rescale of one picture."""
        return scale_of(self.header, frame) if self._scales_differ else self._scale

    @property
    def scales(self) -> list[Scale]:
        """Rescales of all its pictures that the stack uses."""
        return [self.scale(frame) for frame in self.slots] if self._scales_differ else [self._scale]

    def limits(self, frame: int) -> tuple[float, float] | None:
        """Smallest and largest modality value that one picture can have; None when nothing bounds it."""
        if self.floats:
            return None
        if self.table is not None:
            return 0.0, self.table.top
        low, high = sorted(self.scale(frame).of(end) for end in self.form.limits)
        return low, high

    def windows(self, frame: int) -> tuple[Window, ...]:
        """The file's windows for one picture, turned round with its values where it is MONOCHROME1."""
        limits = self.limits(frame)
        found = windows_of(self.header, frame, limits is None or min(limits) < 0)
        if not self.form.inverted or limits is None:
            return found
        return tuple(window.mirrored(sum(limits)) for window in found)

    def padding(self) -> tuple[float, float] | None:
        """(low, high) modality values of what was not imaged."""
        stored = padding_of(self.header, self.form)
        limits = self.limits(next(iter(self.slots), 0))
        if stored is None or limits is None or self.table is not None:
            return None
        scale = self.scale(next(iter(self.slots), 0))
        ends = [scale.of(end) for end in stored]
        low, high = sorted(sum(limits) - end for end in ends) if self.form.inverted else sorted(ends)
        return low, high


def open_sources(stack: Stack) -> tuple[list[Source], dict[str, UserError]]:
    """Every file of the stack, and those that cannot be used any more with the reason."""
    found: dict[str, Source] = {}
    broken: dict[str, UserError] = {}
    for slot, frame in enumerate(stack.frames):
        if frame.path in broken:
            continue
        if frame.path not in found:
            try:
                found[frame.path] = _open(frame)
            except UserError as error:
                broken[frame.path] = error
                continue
        found[frame.path].slots[frame.index] = slot
    return list(found.values()), broken


def _open(frame: Frame) -> Source:
    path = frame.path
    try:
        header, payload = open_header(Path(path), walk(Path(path)))
        reason = complaint(Path(path), header, payload)
    except NameError:
        raise  # as in scan.py
    except Exception as error:  # a file that changed, vanished or was damaged since it was listed
        raise UserError(
            "A DICOM file of the series is damaged, was changed, or is gone.",
            "Copy it again from its source, and open the study anew.",
            type(error).__name__,
        ) from error
    if text(header, "SOPInstanceUID") != frame.instance_uid:
        raise UserError(
            "A DICOM file of the series is another image than when the study was opened.", "Open the study anew."
        )
    if reason:
        raise UserError(f"A DICOM file of the series cannot be used. {reason}", "Copy it again from its source.")
    return Source(path, header, PixelForm.of(header), payload)
