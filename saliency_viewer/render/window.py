"""From modality values to grey: the display window."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Window

Padding = tuple[float, float]  # smallest and largest value of what was not imaged, both inclusive


def to_grey(slice2d: NDArray[np.generic], window: Window, padding: Padding | None = None) -> NDArray[np.uint8]:
    """Grey levels 0..255 of modality values of any shape, by the window's function. NaN and padding become black.

    Pictures of a volume are made by :func:`~saliency_viewer.render.pixels.slice_pixels`, which knows its padding.
    """
    values = np.asarray(slice2d)
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        table = _table(native.dtype.str, window, padding)
        codes = native.view(f"u{native.dtype.itemsize}")
        return np.asarray(table[codes])
    return _without(padding, values, _windowed(values, window))


@lru_cache(maxsize=16)
def _table(dtype: str, window: Window, padding: Padding | None) -> NDArray[np.uint8]:
    """Grey of every value of an 8 or 16 bit integer type, in the order of its unsigned bit patterns."""
    size = np.dtype(dtype).itemsize
    values = np.arange(256**size, dtype=f"u{size}").view(dtype)
    return _without(padding, values, _windowed(values, window))


def _without(padding: Padding | None, values: NDArray[Any], grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if padding is not None:
        grey[(values >= padding[0]) & (values <= padding[1])] = 0
    return grey


def _windowed(values: NDArray[np.generic], window: Window) -> NDArray[np.uint8]:
    numbers = _as_floats(values)
    if window.function == "TABLE" and window.table:
        return _looked_up(numbers, window)
    if window.function == "SIGMOID":
        return _sigmoid(numbers, window)
    # Widths below the 1 that LINEAR needs can only be meant exactly.
    halved = window.function == "LINEAR" and window.width >= 1.0
    centre, width = (window.centre - 0.5, window.width - 1.0) if halved else (window.centre, window.width)
    if width <= 0.0:  # a threshold; the standard puts the value at the edge itself below
        return np.where(numbers > centre, 255, 0).astype(np.uint8)
    scale = 255.0 / width
    # The centre goes first: scaled, values far from zero would lose their digits. What it lost itself comes back later.
    near = numbers.dtype.type(centre)
    with np.errstate(over="ignore"):
        grey = numbers - near
        grey *= numbers.dtype.type(scale)
    grey += numbers.dtype.type(128.0 - (centre - float(near)) * scale)  # 127.5, and a half to round to the nearest
    np.clip(grey, 0.0, 255.0, out=grey)
    np.copyto(grey, 0.0, where=np.isnan(grey))
    return grey.astype(np.uint8)


def _looked_up(numbers: NDArray[np.floating], window: Window) -> NDArray[np.uint8]:
    table = np.frombuffer(window.table, dtype=np.uint8)
    place = (numbers - (window.centre - window.width / 2)) * (len(table) / window.width)
    index = np.clip(np.nan_to_num(np.floor(place), nan=0.0), 0, len(table) - 1).astype(np.intp)
    return np.asarray(np.where(np.isnan(numbers), np.uint8(0), table[index]))


def _sigmoid(numbers: NDArray[np.floating], window: Window) -> NDArray[np.uint8]:
    """1 / (1 + exp(-4 (x - c) / w)), PS3.3 C.11.2.1.3.1; the tanh form cannot overflow."""
    grey = 127.5 * (1.0 + np.tanh(2.0 * (numbers - window.centre) / window.width))
    return np.asarray(np.rint(np.nan_to_num(grey, nan=0.0)), dtype=np.uint8)


def _as_floats(values: NDArray[np.generic]) -> NDArray[np.floating]:
    """Float32 where it holds every value exactly enough for 256 greys, else float64."""
    small = values.dtype.itemsize <= 2 or values.dtype == np.float32
    return np.asarray(values, dtype=np.float32 if small else np.float64)
