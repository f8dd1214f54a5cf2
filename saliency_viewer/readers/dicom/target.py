"""Where planes of modality values are put: one array in the smallest type that holds them all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.forms import ModalityTable, PixelForm, Scale

_INT16 = np.iinfo(np.int16)


class Target:
    """(slice, row, column) modality values, filled plane by plane.

    Values that no file scales keep their native type; whole numbers that are only shifted (Hounsfield units) are
    int16, or int32 from the first plane on that needs it; everything else is float32.
    """

    def __init__(self, shape: tuple[int, int, int], forms: list[PixelForm], scales: list[Scale], floats: bool) -> None:
        self._shifted = any(scale != Scale() for scale in scales)
        if floats or not all(scale.whole for scale in scales) or (self._shifted and _beyond(forms, scales)):
            dtype: Any = np.float32
        elif self._shifted:
            dtype = np.int16
        else:
            dtype = np.result_type(*{form.dtype.newbyteorder("=") for form in forms})
            dtype = dtype if dtype.kind in "iu" and dtype.itemsize <= 4 else np.float32
        self.array: NDArray[Any] = np.empty(shape, dtype=dtype)

    def put(self, place: int, stored: NDArray[Any], form: PixelForm, scale: Scale) -> None:
        """Scale clean stored values (row, column) into slice ``place``; ``stored`` may be changed."""
        if form.inverted:
            form.mirror(stored)
        if self.array.dtype.kind == "f":
            np.multiply(stored, np.float32(scale.slope), out=self.array[place], casting="unsafe")
            if scale.intercept:
                self.array[place] += np.float32(scale.intercept)
            return
        shift = int(scale.intercept)
        if self._shifted and self.array.dtype == np.int16 and not _fits(stored, form, shift):
            self.array = self.array.astype(np.int32)
        if not shift:
            self.array[place] = stored
        elif self.array.dtype == np.int16 and stored.dtype.itemsize == 2:
            # Two's complement wraps into the right number, since the result was shown to fit.
            np.add(stored.view(np.int16), np.array(shift).astype(np.int16), out=self.array[place])
        else:
            np.add(stored, shift, out=self.array[place], dtype=np.int64, casting="unsafe")

    def put_values(self, place: int, values: NDArray[Any]) -> None:
        """Values that need no scale: of a table, or floating pixels."""
        if values.dtype.kind == "f" and self.array.dtype.kind != "f":  # of a deflated file nobody knew it before
            self.array = self.array.astype(np.float32)
        self.array[place] = values


def _beyond(forms: list[PixelForm], scales: list[Scale]) -> bool:
    """Whether shifted values may not fit into 32 bits."""
    ends = [scale.of(end) for form in set(forms) for end in form.limits for scale in set(scales)]
    return min(ends) < -(2**31) or max(ends) >= 2**31


def _fits(stored: NDArray[Any], form: PixelForm, shift: int) -> bool:
    """Whether shifted values fit into 16 bits: by the form where that says so, else by the values themselves."""
    low, high = form.limits
    if low + shift >= _INT16.min and high + shift <= _INT16.max:
        return True
    return int(stored.min()) + shift >= _INT16.min and int(stored.max()) + shift <= _INT16.max


def by_table(stored: NDArray[Any], table: ModalityTable, inverted: bool) -> NDArray[np.float32]:
    """Modality values by a table; MONOCHROME1 is mirrored within what the table can say."""
    found = table.look_up(stored)
    return np.float32(table.top) - found if inverted else found
