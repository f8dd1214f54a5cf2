"""The pieces that figures of maps have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import RESEARCH_NOTICE, AttributionMap, Region, RegionSet
from saliency_viewer.render.outlines import outlines
from saliency_viewer.render.overlay import overlay
from saliency_viewer.render.paper import NOTICE, SECONDARY, Box, Page, font
from saliency_viewer.render.picture import SlicePicture
from saliency_viewer.render.style import MapStyle

MARGIN = 24
GAP = 16
TITLE_HEIGHT = 64
FOOTER_HEIGHT = 40
BAR_WIDTH = 12
BAR_ROOM = 76  # the bar and its numbers
# Where the model saw nothing a map alone shows this grey, which neither colour map contains.
UNSEEN = 42


def map_pixels(picture: SlicePicture, amap: AttributionMap, index: int, style: MapStyle) -> NDArray[np.uint8]:
    """The map alone, opaque, turned like the image."""
    values = np.asarray(picture.cut(amap.array, index), dtype=np.float32)
    ground = np.full(values.shape, UNSEEN, dtype=np.uint8)
    return overlay(ground, values, MapStyle(style.colours, style.low, style.high, 1.0, style.threshold))


def draw_regions(
    page: Page, picture: SlicePicture, regions: RegionSet | None, index: int, box: Box
) -> tuple[Region, ...]:
    """Outline the visible regions that this slice cuts, and return them."""
    shown = []
    for region in regions.regions if regions is not None else ():
        if not region.visible:
            continue
        mask = _slice_of(picture, region, index)
        polygons = [picture.points(polygon) for polygon in outlines(mask)]
        if polygons:
            page.outline(polygons, mask, region.colour, box)
            shown.append(region)
    return tuple(shown)


def _slice_of(picture: SlicePicture, region: Region, index: int) -> NDArray[np.generic]:
    plane = picture.plane
    flat = region.slice_mask(picture.geometry.shape, plane.through, index)
    return picture.cut(np.expand_dims(flat, plane.through), 0)


def draw_legend(page: Page, regions: Sequence[Region], left: int, top: int, width: int) -> None:
    """Names of regions in a line, each after a dot of its colour; those that no longer fit are counted."""
    x = left
    for position, region in enumerate(regions):
        needed = 16 + font(12).getlength(region.name) + 18
        if x + needed > left + width:
            page.text(x, top, f"and {len(regions) - position} more", 12, SECONDARY)
            return
        page.rectangle(Box(int(x), top + 3, 9, 9), region.colour)
        page.text(x + 16, top, region.name, 12, SECONDARY)
        x += int(needed)


def draw_notice(page: Page) -> None:
    """The research-use notice at the bottom of every figure."""
    width, height = page.image.size
    page.text(width / 2, height - FOOTER_HEIGHT / 2, RESEARCH_NOTICE, 11, NOTICE, anchor="mm")
