"""Models below each other, methods side by side: one slice of the image under every map."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AnalysisResult, AttributionMap, Comparison, Contender, Prediction, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.render.colours import RANKS
from saliency_viewer.render.outlines import outlines
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
from saliency_viewer.render.paper import LINE, MUTED, NOTICE, OUTLINE_WIDTH, SECONDARY, TEXT, Box, Page, shortened
from saliency_viewer.render.picture import SlicePicture
from saliency_viewer.render.scales import SCALE_WORDS, Scale, shared_styles
from saliency_viewer.render.style import MapStyle

RANGE_STYLE = MapStyle(RANKS, 0.0, 1.0, 0.6)
_ROOM, _LARGEST, _SMALLEST = 1500, 320, 150
_SIDE = 210  # room for a model's name and probabilities
_HEADING = 22
_LEADING = 18
_LEGEND = 28
_BARS = 5  # classes shown
_CONTOUR, _EDGE = "#FFFFFF", "#000000"
_NAME = (26, 3)  # letters in a line, lines


def contour_polygons(values: NDArray[np.float32], amap: AttributionMap, level: float) -> list[NDArray[np.float64]]:
    """Outlines, (n, 2) (row, column), of what reaches ``level`` (0..1) of the map's own highest value."""
    highest = amap.extent[1]
    if highest <= 0.0:
        return []
    return outlines(np.nan_to_num(values, nan=-np.inf) >= level * highest)


def caption(index: int, count: int, scale: Scale, levels: Sequence[float], why: str = "") -> tuple[str, ...]:
    """The lines below the title: which slice of ``count`` and why, and what colours and contours mean."""
    of = f"Slice {index}, counted from 0 to {count - 1}{', ' if why else ''}{why}" if count > 1 else ""
    shares = ", ".join(f"{100 * level:g} %" for level in levels)
    contours = f"contours at {shares} of each map's highest value" if levels else ""
    colours = " · ".join(words for words in (SCALE_WORDS[scale], contours) if words)
    return tuple(words for words in (of, colours[:1].upper() + colours[1:]) if words)


def comparison_figure(
    comparison: Comparison,
    index: int,
    *,
    axis: int = 0,
    regions: RegionSet | None = None,
    levels: Sequence[float] = (0.5,),
    scale: Scale = "method",
    why: str = "",
) -> NDArray[np.uint8]:
    """Slice ``index`` along array ``axis`` as (row, column, 3) uint8 RGB.

    A row for each model: its name and probabilities, the image, its maps with contours at ``levels`` of each map's
    highest value. Below, for each method, the range of ranks over the models. The caption names the slice, ``why`` it
    is this one, and what the colours share. Raises :class:`UserError` when no model gave a result.
    """
    result = next((one.result for one in comparison.contenders if one.result is not None), None)
    if result is None:
        raise UserError("No model gave a map, so there is nothing to draw.", "Check the model packages.")
    columns = 1 + len(comparison.methods)
    size = int(np.clip((_ROOM - _SIDE) // columns - BAR_ROOM, _SMALLEST, _LARGEST))
    sheet = _Sheet(comparison, result, SlicePicture.of(result.volume.geometry, axis, size), index, regions, levels)
    sheet.draw(scale, why)
    return sheet.page.pixels


class _Sheet:
    """The page and what all its cells share."""

    def __init__(
        self,
        comparison: Comparison,
        result: AnalysisResult,
        picture: SlicePicture,
        index: int,
        regions: RegionSet | None,
        levels: Sequence[float],
    ) -> None:
        self.comparison, self.picture, self.index = comparison, picture, index
        self.regions, self.levels = regions, tuple(levels)
        self.image = picture.image(result.volume, index, result.volume.default_window())
        self.count = result.volume.geometry.shape[picture.plane.through]
        self.height, self.width = picture.shape
        rows = len(comparison.contenders) + bool(comparison.between_models)
        self.top = MARGIN + TITLE_HEIGHT + _HEADING
        across = 2 * MARGIN + _SIDE + self.width + GAP + len(comparison.methods) * (self.width + BAR_ROOM)
        self.page = Page(across, self.top + rows * (self.height + GAP) + _LEGEND + FOOTER_HEIGHT)

    def draw(self, scale: Scale, why: str) -> None:
        """Fill the page."""
        self._titles(scale, why)
        styles = shared_styles(
            {(one.name, amap.method): amap for one in self.comparison.contenders for amap in _maps(one)}, scale
        )
        for row, one in enumerate(self.comparison.contenders):
            self._side(one, row)
            if one.result is None:
                continue
            self._picture(self.image, self._box(row, 0))
            for column, method in enumerate(self.comparison.methods, start=1):
                amap = next((amap for amap in one.result.maps if amap.method == method), None)
                if amap is None:
                    self.page.text(self._box(row, column).left, self._box(row, column).top, "no map", 12, MUTED)
                    continue
                self._map(amap, styles[one.name, method], self._box(row, column))
        self._disagreement(len(self.comparison.contenders))
        below = self.page.image.size[1] - FOOTER_HEIGHT - _LEGEND
        shown = [region for region in (self.regions.regions if self.regions is not None else ()) if region.visible]
        draw_legend(self.page, shown, MARGIN, below, self.page.image.size[0] - 2 * MARGIN)
        draw_notice(self.page)

    def _box(self, row: int, column: int) -> Box:
        left = MARGIN + _SIDE
        if column > 0:
            left += self.width + GAP + (column - 1) * (self.width + BAR_ROOM)
        return Box(left, self.top + row * (self.height + GAP), self.width, self.height)

    def _titles(self, scale: Scale, why: str) -> None:
        room = self.page.image.size[0] - 2 * MARGIN
        self.page.title(MARGIN, MARGIN, "Models compared", room)
        for line, words in enumerate(caption(self.index, self.count, scale, self.levels, why)):
            self.page.text(MARGIN, MARGIN + 26 + _LEADING * line, shortened(words, room, 12), 12, SECONDARY)
        for column, words in enumerate(("Image", *self.comparison.methods)):
            self.page.text(self._box(0, column).left, self.top - _HEADING, words, 12, SECONDARY)

    def _side(self, one: Contender, row: int) -> None:
        top, room = self._box(row, 0).top, _SIDE - GAP
        for words in name_lines(one.name):
            self.page.text(MARGIN, top, shortened(words, room, 12, True), 12, TEXT, bold=True)
            top += 16
        if one.result is None:
            for line, words in enumerate(_wrapped(one.failure, self.page.image.size[0] - 2 * MARGIN)):
                self.page.text(MARGIN, top + 8 + 18 * line, words, 12, NOTICE)
            return
        card = one.result.card
        self.page.text(MARGIN, top + 2, shortened(f"{card.version} · {card.architecture}", room, 11), 11, MUTED)
        self._bars(one.result.prediction, top + 26, room, self._box(row, 0).bottom - 20)
        targets = sorted({amap.target for amap in one.result.maps})
        if targets:
            words = f"explained: {', '.join(targets)}"
            self.page.text(MARGIN, self._box(row, 0).bottom - 16, shortened(words, room, 11), 11, SECONDARY)

    def _bars(self, prediction: Prediction, top: int, room: int, bottom: int) -> None:
        """The likeliest classes, as many as fit above ``bottom``."""
        fitting = min(_BARS, max(1, (bottom - top) // 30))
        order = np.argsort(-prediction.probabilities, kind="stable")[:fitting]
        for line, k in enumerate(order):
            y, probability = top + 30 * line, float(prediction.probabilities[k])
            strong = k == prediction.predicted
            words = shortened(prediction.classes[k], room - 40, 12, bool(strong))
            self.page.text(MARGIN, y, words, 12, TEXT if strong else SECONDARY, bold=bool(strong))
            self.page.text(MARGIN + room, y, f"{probability:.2f}", 12, TEXT if strong else SECONDARY, anchor="ra")
            self.page.rectangle(Box(MARGIN, y + 17, room, 5), LINE)
            self.page.rectangle(Box(MARGIN, y + 17, max(1, round(room * probability)), 5), "#4C9BE8")

    def _picture(self, pixels: NDArray[np.uint8], box: Box) -> None:
        self.page.picture(pixels, box)
        draw_regions(self.page, self.picture, self.regions, self.index, box)
        self.page.letters(self.picture.letters, box)

    def _map(self, amap: AttributionMap, style: MapStyle, box: Box) -> None:
        values = np.asarray(self.picture.cut(amap.array, self.index), dtype=np.float32)
        self._picture(overlay(self.image, values, style), box)
        for level in self.levels:
            polygons = [self.picture.points(line) for line in contour_polygons(values, amap, level)]
            nothing = np.zeros(values.shape, dtype=np.bool_)
            for colour, width in ((_EDGE, OUTLINE_WIDTH + 3), (_CONTOUR, OUTLINE_WIDTH)):  # white on white has an edge
                self.page.outline(polygons, nothing, colour, box, width)
        self.page.colour_bar(style, Box(box.right + 8, box.top, BAR_WIDTH, box.height))

    def _disagreement(self, row: int) -> None:
        if not self.comparison.between_models:
            return
        top = self._box(row, 0).top
        self.page.text(MARGIN, top, "Disagreement", 13, TEXT, bold=True)
        for line, words in enumerate(("range of ranks", "over the models:", "0 alike, 1 opposite")):
            self.page.text(MARGIN, top + 20 + 16 * line, words, 11, MUTED)
        self._picture(self.image, self._box(row, 0))
        for column, method in enumerate(self.comparison.methods, start=1):
            if method in self.comparison.between_models:
                box = self._box(row, column)
                values = self.picture.cut(self.comparison.between_models[method], self.index)
                pixels = overlay(self.image, np.asarray(values, dtype=np.float32), RANGE_STYLE)
                self._picture(pixels, box)
                self.page.colour_bar(RANGE_STYLE, Box(box.right + 8, box.top, BAR_WIDTH, box.height))


def _maps(one: Contender) -> tuple[AttributionMap, ...]:
    return one.result.maps if one.result is not None else ()


def name_lines(name: str) -> list[str]:
    """A model's name in a few lines: two trainings of one network often differ at the end of theirs."""
    return textwrap.wrap(name, _NAME[0], max_lines=_NAME[1], placeholder=" …") or [""]


def _wrapped(words: str, room: int) -> list[str]:
    return textwrap.wrap(words, max(20, room // 7))[:4]
