"""Drawing a region's outline by vertices or freehand."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from saliency_viewer.gui.viewer import palette
from saliency_viewer.gui.viewer.stroke import Stroke
from saliency_viewer.gui.viewer.tools.base import MouseTool
from saliency_viewer.gui.viewer.tools.host import IndexPoint, ToolHost

CLOSE_DISTANCE = 8.0  # points: about the precision of a hand
_FREEHAND_START = 4.0
_FREEHAND_STEP = 2.0
_FEWEST = 3
_FINISH_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class PolygonTool(MouseTool):
    """A click adds a vertex, a drag adds a freehand line.

    A click on the first vertex, a double click or Enter finishes; Backspace takes the last vertex
    back; Escape drops the outline. An outline of fewer than three vertices encloses nothing and is
    never handed over.
    """

    name = "polygon"
    cursor = Qt.CursorShape.CrossCursor
    draws = True

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._points: list[IndexPoint] = []
        self._hover: QPointF | None = None
        self._place = (0, 0)
        self._pressed: QPointF | None = None
        self._freehand = False
        self._went_away = False
        self._closing = False

    @property
    def busy(self) -> bool:
        """Whether an outline is open."""
        return bool(self._points)

    def press(self, position: QPointF) -> None:
        """Add a vertex, or close on the first one."""
        if not self._points:
            self._place = self.host.slice_place
        self._hover = self._pressed = position
        self._closing = self._near_first(position)
        self._freehand = self._went_away = False
        if not self._closing:
            self._add(position)

    def drag(self, position: QPointF) -> None:
        """Draw freehand."""
        self._hover = position
        if self._closing or not self._points or self._pressed is None:
            return
        # A click is never quite still; only a real movement starts a freehand line.
        self._freehand = self._freehand or _distance(self._pressed, position) >= _FREEHAND_START
        self._went_away = self._went_away or not self._at_first(position)
        if self._freehand and _distance(self.host.to_viewport(self._points[-1]), position) >= _FREEHAND_STEP:
            self._add(position)

    def release(self, position: QPointF) -> None:
        """A line that comes back to its start is finished."""
        if self._closing or (self._went_away and self._near_first(position)):
            self._finish()
        self._closing = False

    def double_click(self, _position: QPointF) -> None:
        """Finish; the first of the two clicks has set the last vertex."""
        self._finish()

    def hover(self, position: QPointF | None) -> None:
        """Lead the open edge to the mouse."""
        self._hover = position
        if self._points:
            self.host.refresh()

    def wants(self, key: int) -> bool:
        """Enter, Backspace and Escape while an outline is open."""
        return self.busy and key in (*_FINISH_KEYS, Qt.Key.Key_Backspace, Qt.Key.Key_Escape)

    def key(self, key: int) -> None:
        """Finish, take the last vertex back, or drop the outline."""
        if key in _FINISH_KEYS:
            self._finish()
        elif key == Qt.Key.Key_Backspace:
            self._points.pop()
            self.host.refresh()
        else:
            self.cancel()

    def cancel(self) -> None:
        """Drop the outline."""
        self._points.clear()
        self._closing = False
        self.host.refresh()

    def paint(self, painter: QPainter) -> None:
        """The outline so far, the edge that a click would add, and the vertex that closes it."""
        if not self._points:
            return
        corners = [self.host.to_viewport(point) for point in self._points]
        colour = self.host.draw_colour
        painter.setBrush(palette.with_alpha(colour, 0.12))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawPolygon(QPolygonF(corners if self._hover is None else [*corners, self._hover]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for pen in (QPen(palette.with_alpha(palette.BLACK, 0.5), 3.5), QPen(colour, 2.0)):
            painter.setPen(pen)
            painter.drawPolyline(QPolygonF(corners))
        if self._hover is not None:
            painter.setPen(QPen(palette.with_alpha(palette.BLACK, 0.5), 2.5))
            painter.drawLine(corners[-1], self._hover)
            painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DashLine))
            painter.drawLine(corners[-1], self._hover)
        closes = self._hover is not None and self._near_first(self._hover)
        painter.setPen(QPen(palette.TEXT if closes else colour, 1.5))
        painter.setBrush(colour if closes else palette.BLACK)
        radius = 5.0 if closes else 3.5
        painter.drawEllipse(corners[0], radius, radius)

    def _add(self, position: QPointF) -> None:
        self._points.append(self.host.to_index(position))
        self.host.refresh()

    def _near_first(self, position: QPointF) -> bool:
        return len(self._points) >= _FEWEST and self._at_first(position)

    def _at_first(self, position: QPointF) -> bool:
        return _distance(self.host.to_viewport(self._points[0]), position) <= CLOSE_DISTANCE

    def _finish(self) -> None:
        points = _without_repeats(self._points)
        if len(points) >= _FEWEST:
            axis, index = self._place
            self._points.clear()
            self.host.finish_stroke(Stroke("polygon", axis, index, np.array(points, dtype=np.float64)))
        self._hover = None
        self.host.refresh()


def _without_repeats(points: list[IndexPoint]) -> list[IndexPoint]:
    return [point for at, point in enumerate(points) if at == 0 or point != points[at - 1]]


def _distance(first: QPointF, second: QPointF) -> float:
    offset = first - second
    return float(np.hypot(offset.x(), offset.y()))
