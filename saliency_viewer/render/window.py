"""From modality values to grey: the display window."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Window


def to_grey(slice2d: NDArray[np.generic], window: Window) -> NDArray[np.uint8]:
    """Grey levels 0..255 of modality values of any shape.

    Integers follow DICOM's LINEAR function (PS3.3 C.11.2.1.2.1). Floating values, and widths below the
    1 that LINEAR needs, follow LINEAR_EXACT (C.11.2.1.3.2): its half-unit shift is meant for integers
    and would cut off most of an image whose values lie in 0..1. NaN becomes black.
    """
    values = np.asarray(slice2d)
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        table = _table(native.dtype.str, window)
        codes = native.view(f"u{native.dtype.itemsize}")
        return np.asarray(table[codes])
    return _windowed(values, window)


@lru_cache(maxsize=16)
def _table(dtype: str, window: Window) -> NDArray[np.uint8]:
    """Grey of every value of an 8 or 16 bit integer type, in the order of its unsigned bit patterns."""
    size = np.dtype(dtype).itemsize
    return _windowed(np.arange(256**size, dtype=f"u{size}").view(dtype), window)


def _windowed(values: NDArray[np.generic], window: Window) -> NDArray[np.uint8]:
    whole = values.dtype.kind in "iu" and window.width >= 1.0
    centre, width = (window.centre - 0.5, window.width - 1.0) if whole else (window.centre, window.width)
    numbers = _as_floats(values)
    if width <= 0.0:  # a threshold; the standard puts the value at the edge itself below
        return np.where(numbers > centre, 255, 0).astype(np.uint8)
    scale = 255.0 / width
    grey = numbers * numbers.dtype.type(scale)
    grey += numbers.dtype.type(128.0 - centre * scale)  # 127.5, and a half to round to the nearest
    np.clip(grey, 0.0, 255.0, out=grey)
    np.copyto(grey, 0.0, where=np.isnan(grey))
    return grey.astype(np.uint8)


def _as_floats(values: NDArray[np.generic]) -> NDArray[np.floating]:
    """Float32 where it holds every value exactly enough for 256 greys, else float64."""
    small = values.dtype.itemsize <= 2 or values.dtype == np.float32
    return np.asarray(values, dtype=np.float32 if small else np.float64)
