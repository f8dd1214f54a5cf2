"""One slice and the map over it, side by side: small enough for a dialog."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap, Volume
from saliency_viewer.render.overlay import overlay
from saliency_viewer.render.panels import BAR_WIDTH
from saliency_viewer.render.paper import Box, Page
from saliency_viewer.render.picture import SlicePicture
from saliency_viewer.render.style import style_for

_CARD = "#181D24"  # what it lies on
_GAP = 8
_BAR_ROOM = 64  # the bar and its numbers


def pair_figure(volume: Volume, amap: AttributionMap | None, index: int, size: int = 280) -> NDArray[np.uint8]:
    """Image | map over the image | colour bar of slice ``index``; the image alone when there is no map.

    Returns
    -------
    (row, column, 3) uint8 RGB; the longer side of each picture has ``size`` pixels.
    """
    picture = SlicePicture.of(volume.geometry, 0, size)
    height, width = picture.shape
    image = picture.image(volume, index, volume.default_window())
    if amap is None:
        page = Page(width, height)
        page.picture(image, Box(0, 0, width, height))
        return page.pixels
    page = Page(2 * width + _GAP + _BAR_ROOM, height)
    page.rectangle(Box(0, 0, 2 * width + _GAP + _BAR_ROOM, height), _CARD)
    style = style_for(amap)
    values = np.asarray(picture.cut(amap.array, index), dtype=np.float32)
    for pixels, left in ((image, 0), (overlay(image, values, style), width + _GAP)):
        box = Box(left, 0, width, height)
        page.picture(pixels, box)
        page.letters(picture.letters, box)
    page.colour_bar(style, Box(2 * width + 2 * _GAP, 0, BAR_WIDTH, height))
    return page.pixels
