"""Outlines of the regions on the slice that is shown."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF, QTransform

from saliency_viewer.domain import Region, RegionSet
from saliency_viewer.gui.viewer import palette
from saliency_viewer.render import outlines

OUTLINE_WIDTH = 2.0
FILL_OPACITY = 0.08
_KEPT_PATHS = 256


class RegionsLayer:
    """Draws every visible region's outline with a light fill.

    A region's paths are kept per slice for as long as the region itself is the same object, so that
    editing one region outlines only that one again.
    """

    def __init__(self) -> None:
        self._regions: RegionSet | None = None
        self._selected: str | None = None
        self._paths: OrderedDict[tuple[int, int, int], tuple[Region, QPainterPath]] = OrderedDict()

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
        """Draw the outlines of slice ``index`` along ``axis``; ``to_viewport`` maps index coordinates to points."""
        if self._regions is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for region in self._regions.regions:
            if region.visible:
                path = to_viewport.map(self._path(region, axis, index))
                if not path.isEmpty():
                    self._paint_one(painter, region, path)

    def _paint_one(self, painter: QPainter, region: Region, path: QPainterPath) -> None:
        colour = QColor(region.colour)
        painter.fillPath(path, palette.with_alpha(colour, FILL_OPACITY))
        pen = QPen(colour, OUTLINE_WIDTH)
        pen.setJoinStyle(Qt.PenJoinStyle.BevelJoin)
        if region.name == self._selected:
            painter.strokePath(path, QPen(palette.with_alpha(colour, 0.25), 3 * OUTLINE_WIDTH))
        if region.locked:
            pen.setDashPattern([4.0, 2.5])
        painter.strokePath(path, pen)

    def _path(self, region: Region, axis: int, index: int) -> QPainterPath:
        key = (id(region), axis, index)
        kept = self._paths.get(key)
        if kept is None or kept[0] is not region:  # an id can be used again after its object is gone
            kept = region, outline_path(region, axis, index)
            self._paths[key] = kept
        self._paths.move_to_end(key)
        while len(self._paths) > _KEPT_PATHS:
            self._paths.popitem(last=False)
        return kept[1]


def outline_path(region: Region, axis: int, index: int) -> QPainterPath:
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
        corners = [QPointF(x + region.origin[rest[1]], y + region.origin[rest[0]]) for y, x in line.tolist()]
        path.addPolygon(QPolygonF(corners))
        path.closeSubpath()
    return path
