"""The pixels of a slice as every picture shows them: viewport, thumbnail, figures and exported files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Volume, Window
from saliency_viewer.render.window import to_grey

Cut = Callable[[NDArray[np.generic]], NDArray[np.generic]]
_WHITE = 255


def grey_slice(volume: Volume, slice2d: NDArray[np.generic], window: Window) -> NDArray[np.uint8]:
    """Grey levels of values of ``volume``, of the same shape; its padding is black whatever the window is."""
    return to_grey(slice2d, window, volume.padding)


def slice_pixels(volume: Volume, cut: Cut, window: Window, graphics: bool = False) -> NDArray[np.uint8]:
    """Grey (height, width) or RGB (height, width, 3) uint8 pixels of one slice.

    Parameters
    ----------
    cut:
        Takes the slice out of a (slice, row, column[, channel]) array, and turns or thins it.
    window:
        The display window; colour images have none.
    graphics:
        Whether the file's own overlay graphics are drawn, in white.
    """
    if volume.colour is not None:
        pixels = np.asarray(cut(volume.colour), dtype=np.uint8)
    else:
        pixels = grey_slice(volume, cut(volume.array), window)
    if not graphics or volume.overlays is None:
        return pixels
    drawn = np.array(pixels)  # a colour image's pixels are a view of the image itself
    drawn[np.asarray(cut(volume.overlays), dtype=bool)] = _WHITE
    return drawn
