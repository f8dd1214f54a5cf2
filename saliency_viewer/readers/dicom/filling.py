"""A stack's arrays while they are filled, plane by plane, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Window
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.sources import Source
from saliency_viewer.readers.dicom.target import Target, by_table
from saliency_viewer.readers.raster import luminance


class Filling:
    """Modality values, colours and overlays of a stack of ``shape`` (slice, row, column)."""

    def __init__(self, shape: tuple[int, int, int], sources: list[Source]) -> None:
        self._shape = shape
        coloured = any(source.form.coloured for source in sources)
        floats = any(source.floats or source.table is not None for source in sources)
        scales = [scale for source in sources for scale in source.scales]
        self._target = Target(shape, [source.form for source in sources], scales, floats and not coloured)
        if coloured:
            self._target.array = np.empty(shape, dtype=np.uint8)
        self.colour: NDArray[np.uint8] | None = np.empty((*shape, 3), dtype=np.uint8) if coloured else None
        self.overlays: NDArray[np.bool_] | None = None

    @property
    def values(self) -> NDArray[Any]:
        """(slice, row, column) modality values; luminance of colours."""
        return self._target.array

    def put(self, source: Source, frame: int, stored: NDArray[Any]) -> None:
        """One picture of a file, (row, column) or with 3 colours; ``stored`` may be changed."""
        if source.mosaic is not None:
            tiles = source.mosaic.tiles(stored[None])
            for tile, slot in source.slots.items():
                self._put(source, 0, slot, tiles[tile])
            return
        self._put(source, frame, source.slots[frame], stored)

    def _put(self, source: Source, frame: int, slot: int, stored: NDArray[Any]) -> None:
        if stored.shape[:2] != self._shape[1:]:
            raise UserError("A DICOM file holds pictures of another size than it says.", "Copy it again.")
        self._draw(source, frame, slot, stored)
        if self.colour is not None:
            self._put_colour(slot, stored)
        elif stored.dtype.kind == "f":
            self._target.put_values(slot, stored)
        elif source.table is not None:
            clean = source.form.clean(stored)
            self._target.put_values(slot, by_table(clean, source.table, source.form.inverted))
        else:
            self._target.put(slot, source.form.clean(stored), source.form, source.scale(frame))

    def _put_colour(self, slot: int, stored: NDArray[Any]) -> None:
        if self.colour is None or stored.ndim != 3 or stored.dtype != np.uint8:
            raise UserError("The series mixes pictures in colour and in grey.", "Open its files one by one.")
        if stored.shape[2] != 3:
            raise UserError("The colour table of a DICOM file is damaged.", "Copy it again from its source.")
        self.colour[slot] = stored
        self._target.array[slot] = luminance(stored)

    def _draw(self, source: Source, frame: int, slot: int, raw: NDArray[Any]) -> None:
        for overlay in source.overlays:
            drawn = overlay.on(frame, (self._shape[1], self._shape[2]), raw)
            if drawn is None or not drawn.any():
                continue
            if self.overlays is None:
                self.overlays = np.zeros(self._shape, dtype=bool)
            self.overlays[slot] |= drawn

    def keep(self, slots: list[int]) -> None:
        """Leave only these slices."""
        self._target.array = self._target.array[slots]
        self.colour = None if self.colour is None else self.colour[slots]
        self.overlays = None if self.overlays is None else self.overlays[slots]


def common_range(sources: list[Source]) -> tuple[float, float] | None:
    """The range that holds what every picture can have; None when one is unbounded."""
    found = {source.limits(frame) for source in sources for frame in source.slots}
    known = [one for one in found if one is not None]
    if not known or None in found:
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def common_windows(sources: list[Source]) -> tuple[Window | None, tuple[Window, ...]]:
    """The window on which all pictures agree and all windows when they agree on these too.

    One slice's window does not suit the others; percentiles of the image serve where they differ.
    """
    found = {source.windows(frame) for source in sources for frame in source.slots}
    if len(found) == 1:
        windows = found.pop()
        return (windows[0] if windows else None), windows
    first = {windows[0] if windows else None for windows in found}
    return (first.pop() if len(first) == 1 else None), ()


def common_padding(sources: list[Source]) -> tuple[float, float] | None:
    """The padding on which all files agree."""
    found = {source.padding() for source in sources}
    return found.pop() if len(found) == 1 else None
