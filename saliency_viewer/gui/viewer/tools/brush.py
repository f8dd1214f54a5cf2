"""Painting a region with a disc, and erasing with it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from saliency_viewer.gui.viewer import palette
from saliency_viewer.gui.viewer.stroke import Stroke
from saliency_viewer.gui.viewer.tools.base import MouseTool
from saliency_viewer.gui.viewer.tools.host import IndexPoint, ToolHost

_SIZE_KEYS: dict[int, float] = {Qt.Key.Key_BracketLeft: 1 / 1.15, Qt.Key.Key_BracketRight: 1.15}
_SMALLEST_RADIUS = 0.1
_SMALLEST_VISIBLE = 2.0  # points; a smaller ring would leave the mouse without a mark


class BrushTool(MouseTool):
    """The disc follows the mouse; what it passed over is handed over when the button goes up.

    ``[`` and ``]`` ask for a smaller and a larger disc, Escape drops the stroke.
    """

    name = "brush"
    cursor = Qt.CursorShape.BlankCursor
    draws = True
    kind: Literal["brush", "erase"] = "brush"

    def __init__(self, host: ToolHost) -> None:
        super().__init__(host)
        self._points: list[IndexPoint] = []
        self._hover: QPointF | None = None
        self._place = (0, 0)

    @property
    def busy(self) -> bool:
        """Whether the button is down."""
        return bool(self._points)

    @property
    def mark_colour(self) -> QColor:
        """Colour of the disc and of the stroke's preview."""
        return self.host.draw_colour

    def press(self, position: QPointF) -> None:
        """Begin a stroke."""
        self._place = self.host.slice_place
        self._points = [self.host.to_index(position)]
        self.hover(position)

    def drag(self, position: QPointF) -> None:
        """Go on with it."""
        if self._points:
            self._points.append(self.host.to_index(position))
        self.hover(position)

    def release(self, _position: QPointF) -> None:
        """Hand the stroke over."""
        if not self._points:
            return
        points, (axis, index) = np.array(self._points, dtype=np.float64), self._place
        self._points = []
        self.host.refresh()
        self.host.finish_stroke(Stroke(self.kind, axis, index, points, self.host.brush_radius))

    def double_click(self, position: QPointF) -> None:
        """Two quick dabs are two strokes."""
        self.press(position)

    def hover(self, position: QPointF | None) -> None:
        """Move the disc; None hides it."""
        self._hover = position
        self.host.refresh()

    def wants(self, key: int) -> bool:
        """The bracket keys, and Escape during a stroke."""
        return key in _SIZE_KEYS or (key == Qt.Key.Key_Escape and self.busy)

    def key(self, key: int) -> None:
        """Drop the stroke, or ask for another radius."""
        if key == Qt.Key.Key_Escape:
            self.cancel()
        else:
            self.host.ask_brush_radius(max(self.host.brush_radius * _SIZE_KEYS[key], _SMALLEST_RADIUS))

    def cancel(self) -> None:
        """Drop the stroke."""
        self._points = []
        self.host.refresh()

    def paint(self, painter: QPainter) -> None:
        """The stroke so far, then the disc."""
        radius = self.host.brush_radius * self.host.points_per_mm
        if self._points:
            self._paint_stroke(painter, radius)
        if self._hover is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(palette.with_alpha(palette.BLACK, 0.6), 3.0))
            painter.drawEllipse(self._hover, radius, radius)
            painter.setPen(QPen(self.mark_colour, 1.5))
            painter.drawEllipse(self._hover, radius, radius)
            if radius < _SMALLEST_VISIBLE:
                painter.drawPoint(self._hover)

    def _paint_stroke(self, painter: QPainter, radius: float) -> None:
        positions = [self.host.to_viewport(point) for point in self._points]
        path = QPainterPath(positions[0])
        # A path without a line draws nothing, and a single dab is a stroke too.
        for position in positions[1:] or [positions[0] + QPointF(0.01, 0.0)]:
            path.lineTo(position)
        pen = QPen(palette.with_alpha(self.mark_colour, 0.35), max(2 * radius, 1.0))
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.strokePath(path, pen)


class EraseTool(BrushTool):
    """The same disc, taking away."""

    name = "erase"
    kind = "erase"

    @property
    def mark_colour(self) -> QColor:
        """Neutral: erasing is not tied to a region's colour."""
        return palette.TEXT
