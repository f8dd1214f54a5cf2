"""Outlines of the regions on the slice that is shown."""

from __future__ import annotations

from collections import OrderedDict
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF, QTransform

from saliency_viewer.domain import Region, RegionSet
from saliency_viewer.gui.viewer import palette
from saliency_viewer.render import outlines

OUTLINE_WIDTH = 2.0
FILL_OPACITY = 0.08
_KEPT_PATHS = 256
_LARGE_PIXEL = 5.0  # points


class OutlinePaths:
    """Outlines that were traced before; viewports of the same slices can share them.

    A region's paths are kept per slice for as long as the region itself is the same object, so that
    editing one region outlines only that one again.
    """

    def __init__(self) -> None:
        self._paths: OrderedDict[tuple[int, int, int, bool], tuple[Region, QPainterPath]] = OrderedDict()

    def of(self, region: Region, axis: int, index: int, smooth: bool) -> QPainterPath:
        """As :func:`outline_path`."""
        key = (id(region), axis, index, smooth)
        kept = self._paths.get(key)
        if kept is None or kept[0] is not region:  # an id can be used again after its object is gone
            kept = region, outline_path(region, axis, index, smooth)
            self._paths[key] = kept
        self._paths.move_to_end(key)
        while len(self._paths) > _KEPT_PATHS:
            self._paths.popitem(last=False)
        return kept[1]


class RegionsLayer:
    """Draws every visible region's outline with a light fill."""

    def __init__(self, paths: OutlinePaths | None = None) -> None:
        self._regions: RegionSet | None = None
        self._selected: str | None = None
        self._paths = paths or OutlinePaths()

    def set_regions(self, regions: RegionSet | None, selected: str | None) -> None:
        """What to draw, and which one is being edited."""
        self._regions, self._selected = regions, selected

    @property
    def selected_colour(self) -> QColor:
        """Colour of the selected region; of the next one to be drawn when none is selected."""
        if self._regions is None:
            return palette.ACCENT
        if self._selected in self._regions.names:
            return QColor(self._regions.get(str(self._selected)).colour)
        return QColor(self._regions.next_colour())

    def paint(self, painter: QPainter, axis: int, index: int, to_viewport: QTransform) -> None:
        """Draw the outlines of slice ``index`` along ``axis``; ``to_viewport`` maps index coordinates to points.

        Pixels that are large on the screen get their true edges; where they are small, the steps between
        them are cut by less than half a pixel, which the eye takes for a smooth line.
        """
        if self._regions is None:
            return
        smooth = sqrt(abs(to_viewport.determinant())) < _LARGE_PIXEL
        for region in self._regions.regions:
            if region.visible:
                path = self._paths.of(region, axis, index, smooth)
                if not path.isEmpty():
                    self._paint_one(painter, region, path, to_viewport)

    def _paint_one(self, painter: QPainter, region: Region, path: QPainterPath, to_viewport: QTransform) -> None:
        colour = QColor(region.colour)
        # The line hides the fill's edge, so smoothing that edge would cost ten times as much for nothing.
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.fillPath(to_viewport.map(path), palette.with_alpha(colour, FILL_OPACITY))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        lines = path.toSubpathPolygons(to_viewport)
        if region.name == self._selected:
            _draw_lines(painter, lines, _pen(colour.darker(320), OUTLINE_WIDTH + 1.6))
        pen = _pen(colour, OUTLINE_WIDTH)
        if region.locked:
            pen.setDashPattern([4.0, 2.5])
        _draw_lines(painter, lines, pen)


def outline_path(region: Region, axis: int, index: int, smooth: bool = False) -> QPainterPath:
    """The closed outlines of a region's slice in index coordinates (x: second remaining axis, y: first)."""
    path = QPainterPath()
    path.setFillRule(Qt.FillRule.OddEvenFill)
    rest = [k for k in range(3) if k != axis]
    local = index - region.origin[axis]
    if not 0 <= local < region.patch.shape[axis]:
        return path
    # Only the bounding box is traced: outlining a small lesion must not cost a whole slice.
    mask = np.take(region.patch, local, axis=axis)
    for line in outlines(mask):
        places = (cut_steps(line) if smooth else line) + [region.origin[axis] for axis in rest]
        corners = [QPointF(x, y) for y, x in places.tolist()]
        path.addPolygon(QPolygonF(corners))
        path.closeSubpath()
    return path


def _pen(colour: QColor, width: float) -> QPen:
    pen = QPen(colour, width)
    pen.setJoinStyle(Qt.PenJoinStyle.BevelJoin)
    return pen


def _draw_lines(painter: QPainter, lines: list[QPolygonF], pen: QPen) -> None:
    # One polyline at a time is ten times as fast as stroking the path that holds them all.
    painter.setPen(pen)
    for line in lines:
        painter.drawPolyline(line)


def cut_steps(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed outline along pixel edges, (n, 2) with the first corner repeated, with its corners cut.

    Every straight run keeps what is further than half a pixel from its ends, so a stair of single pixels
    becomes a straight diagonal, and no point moves by more than 0.36 pixel.
    """
    start, end = line[:-1], line[1:]
    step = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True) / 2
    cut = np.stack([start + step, end - step], axis=1).reshape(-1, 2)
    cut = cut[np.any(cut != np.roll(cut, 1, axis=0), axis=1)]  # a run of one pixel has one point left
    before, after = cut - np.roll(cut, 1, axis=0), np.roll(cut, -1, axis=0) - cut
    # Points on a straight line say nothing, and every point costs time at every frame.
    return np.asarray(cut[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]])
