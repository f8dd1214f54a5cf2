"""One slice in three panels: the image, the map, and the map over the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap, RegionSet, Volume, Window
from saliency_viewer.render.overlay import overlay
from saliency_viewer.render.panels import (
    BAR_ROOM,
    BAR_WIDTH,
    FOOTER_HEIGHT,
    GAP,
    MARGIN,
    TITLE_HEIGHT,
    draw_legend,
    draw_notice,
    draw_regions,
    map_pixels,
)
from saliency_viewer.render.paper import SECONDARY, Box, Page, shortened
from saliency_viewer.render.picture import SlicePicture
from saliency_viewer.render.style import MapStyle, style_for

PANEL_SIZE = 448
_HEADING = 22
_LEGEND = 28


def slice_figure(
    volume: Volume,
    amap: AttributionMap,
    index: int,
    *,
    axis: int = 0,
    style: MapStyle | None = None,
    regions: RegionSet | None = None,
    window: Window | None = None,
    title: str = "",
    subtitle: str = "",
) -> NDArray[np.uint8]:
    """Original | map (red-blue, white is zero) | overlay of slice ``index`` along array ``axis``.

    Parameters
    ----------
    volume, amap:
        The image and a map on its grid.
    style:
        Style of the overlay; the middle panel always shows the signed map on the symmetric scale of the whole map.
    regions:
        Outlined where visible; None for none.
    window:
        None for the image's own.
    title, subtitle:
        Lines at the top; empty: method and target, slice number.

    Returns
    -------
    (row, column, 3) uint8 RGB.
    """
    style = style or style_for(amap)
    signed = style_for(amap, signed=True)
    picture = SlicePicture.of(volume.geometry, axis, PANEL_SIZE)
    height, width = picture.shape
    top = MARGIN + TITLE_HEIGHT + _HEADING
    page = Page(2 * MARGIN + 3 * width + 2 * (BAR_ROOM + GAP), top + height + _LEGEND + FOOTER_HEIGHT)
    lefts = [MARGIN, MARGIN + width + GAP, MARGIN + 2 * (width + GAP) + BAR_ROOM]
    boxes = [Box(left, top, width, height) for left in lefts]

    image = picture.image(volume, index, window or volume.default_window())
    values = np.asarray(picture.cut(amap.array, index), dtype=np.float32)
    panels = (image, map_pixels(picture, amap, index, signed), overlay(image, values, style))
    headings = ("Original", "Attribution map", f"Overlay {round(style.fade * 100)} %")
    for box, pixels, heading in zip(boxes, panels, headings, strict=True):
        page.text(box.left, top - _HEADING, heading, 12, SECONDARY)
        page.picture(pixels, box)
    shown = draw_regions(page, picture, regions, index, boxes[0])
    draw_regions(page, picture, regions, index, boxes[2])
    for box in boxes:
        page.letters(picture.letters, box)
    page.colour_bar(signed, _bar(boxes[1]))
    page.colour_bar(style, _bar(boxes[2]))
    _write_titles(page, amap, title, subtitle or _which_slice(volume, axis, index))
    draw_legend(page, shown, MARGIN, top + height + 10, page.image.size[0] - 2 * MARGIN)
    draw_notice(page)
    return page.pixels


def _which_slice(volume: Volume, axis: int, index: int) -> str:
    count = volume.geometry.shape[axis]
    return f"Slice {index}, counted from 0 to {count - 1}" if count > 1 else ""


def _bar(box: Box) -> Box:
    return Box(box.right + 10, box.top, BAR_WIDTH, box.height)


def _write_titles(page: Page, amap: AttributionMap, title: str, subtitle: str) -> None:
    room = page.image.size[0] - 2 * MARGIN
    page.title(MARGIN, MARGIN, title or f"{amap.method} for {amap.target}", room)
    page.text(MARGIN, MARGIN + 28, shortened(subtitle, room, 13), 13, SECONDARY)
