"""All key slices of one case on one page: images above, maps over the images below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap, Prediction, RegionSet, Volume, Window
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
)
from saliency_viewer.render.paper import NOTICE, SECONDARY, Box, Page, font, shortened
from saliency_viewer.render.picture import SlicePicture
from saliency_viewer.render.style import MapStyle, style_for

_ROOM = 1500  # pixels that the row of slices should fill
_LARGEST, _SMALLEST = 512, 180
_HEADING = 22
_LEGEND = 28
_NARROWEST = 640


def summary_figure(
    volume: Volume,
    amap: AttributionMap,
    slices: Sequence[int],
    *,
    prediction: Prediction | None = None,
    label: str = "",
    subject: str = "",
    axis: int = 0,
    style: MapStyle | None = None,
    regions: RegionSet | None = None,
    window: Window | None = None,
) -> NDArray[np.uint8]:
    """Key slices above, the map over them below; the title says prediction, probability and true label.

    ``slices`` are indices (from 0) along array ``axis``; empty means the middle slice. Other parameters as in
    :func:`~saliency_viewer.render.slice_figure.slice_figure`. Returns (row, column, 3) uint8 RGB.
    """
    style = style or style_for(amap)
    chosen = tuple(slices) or (volume.geometry.shape[axis] // 2,)
    size = int(np.clip(_ROOM // len(chosen) - GAP, _SMALLEST, _LARGEST))
    picture = SlicePicture.of(volume.geometry, axis, size)
    height, width = picture.shape
    row = len(chosen) * (width + GAP) - GAP
    top = MARGIN + TITLE_HEIGHT + _HEADING
    page_width = max(row + 2 * MARGIN + BAR_ROOM, _NARROWEST)
    page = Page(page_width, top + 2 * height + GAP + _LEGEND + FOOTER_HEIGHT)
    left = MARGIN + (page_width - row - 2 * MARGIN - BAR_ROOM) // 2
    view = window or volume.default_window()
    shown = {}
    for position, index in enumerate(chosen):
        above = Box(left + position * (width + GAP), top, width, height)
        below = Box(above.left, top + height + GAP, width, height)
        image = picture.image(volume, index, view)
        values = np.asarray(picture.cut(amap.array, index), dtype=np.float32)
        heading = f"Slice {index}" if volume.geometry.shape[axis] > 1 else "Image, and the map over it"
        page.text(above.left, top - _HEADING, heading, 12, SECONDARY)
        page.picture(image, above)
        page.picture(overlay(image, values, style), below)
        for box in (above, below):
            shown.update({one.name: one for one in draw_regions(page, picture, regions, index, box)})
        if position == 0:
            page.letters(picture.letters, above)
    bar_top = top + height + GAP
    page.colour_bar(style, Box(left + row + 10, bar_top, BAR_WIDTH, height))
    _write_titles(page, amap, prediction, label, subject)
    draw_legend(page, tuple(shown.values()), left, bar_top + height + 10, row)
    draw_notice(page)
    return page.pixels


def _write_titles(page: Page, amap: AttributionMap, prediction: Prediction | None, label: str, subject: str) -> None:
    room = page.image.size[0] - 2 * MARGIN
    said = f"Predicted {prediction.label} ({prediction.probability:.2f})" if prediction is not None else ""
    true = f"true label {label}" if label else ""
    title = " · ".join(part for part in (subject, said, true) if part) or amap.method
    page.title(MARGIN, MARGIN, title, room)
    line = f"{amap.method} for {amap.target}"
    page.text(MARGIN, MARGIN + 28, shortened(line, room, 13), 13, SECONDARY)
    if not amap.target_is_predicted:
        words = "not the predicted class"
        page.text(MARGIN + font(13).getlength(line) + 14, MARGIN + 28, words, 13, NOTICE)
