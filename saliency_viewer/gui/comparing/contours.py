"""Lines round the strongest part of maps, in a viewport."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF, QTransform

from saliency_viewer.domain import AttributionMap
from saliency_viewer.gui.viewer import palette
from saliency_viewer.render import contour_polygons

_FINE = 320  # pixels along a side; finer lines cannot be seen in a small viewport, and cost time
_KEPT = 256
_WIDTH = 1.4
_FEW = 60


@dataclass(frozen=True, eq=False)
class Contour:
    """The line where ``amap`` falls below ``level`` (0..1) of its peak, in ``colour`` (#RRGGBB)."""

    amap: AttributionMap
    level: float
    colour: str


class KeptLines:
    """Lines that were traced before; the pictures of a comparison share them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int, int, float], tuple[AttributionMap, list[QPolygonF]]] = OrderedDict()

    def of(self, contour: Contour, axis: int, index: int) -> list[QPolygonF]:
        """As :func:`contour_lines`."""
        key = (id(contour.amap), axis, index, contour.level)
        kept = self._kept.get(key)
        if kept is None or kept[0] is not contour.amap:  # an id can be used again after its object is gone
            lines = contour_lines(contour.amap, contour.level, axis, index)
            kept = contour.amap, [QPolygonF([QPointF(x, y) for y, x in line.tolist()]) for line in lines]
            self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept[1]


class ContourLines:
    """Draws contours."""

    def __init__(self, kept: KeptLines | None = None) -> None:
        self._contours: tuple[Contour, ...] = ()
        self._kept = kept or KeptLines()

    @property
    def contours(self) -> tuple[Contour, ...]:
        """What is drawn."""
        return self._contours

    def set(self, contours: tuple[Contour, ...]) -> None:
        """What to draw, the last on top."""
        self._contours = contours

    def paint(self, painter: QPainter, axis: int, index: int, to_viewport: QTransform) -> None:
        """Draw the lines of slice ``index`` along ``axis``; ``to_viewport`` as for the regions' outlines."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setTransform(to_viewport, True)
        for contour in self._contours:
            lines = self._kept.of(contour, axis, index)
            few = len(lines) <= _FEW  # the specks of a noisy map need neither an edge nor smooth corners
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, few)
            if few:
                _draw(painter, lines, palette.with_alpha(palette.BLACK, 0.55), _WIDTH + 1.6)
            _draw(painter, lines, QColor(contour.colour), _WIDTH if few else 1.0)


def contour_lines(amap: AttributionMap, level: float, axis: int, index: int) -> list[NDArray[np.float64]]:
    """Closed (n, 2) lines in voxel-centre coordinates of the slice's two array axes, rising.

    They enclose what is at least ``level`` of the whole map's highest value; a map without a positive value has none.
    A large slice is taken from every n-th of its pixels.
    """
    plane = np.take(amap.array, index, axis=axis) if axis else amap.array[index]
    step = max(max(plane.shape) // _FINE, 1)
    return [line * step for line in contour_polygons(plane[::step, ::step], amap, level)]


def _draw(painter: QPainter, lines: list[QPolygonF], colour: QColor, width: float) -> None:
    pen = QPen(colour, width)
    pen.setCosmetic(True)  # as wide on every screen, whatever the zoom
    painter.setPen(pen)
    for line in lines:
        painter.drawPolyline(line)
