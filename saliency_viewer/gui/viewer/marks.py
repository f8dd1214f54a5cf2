"""The crosshair that links the planes, and the frame of the viewport."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from saliency_viewer.gui.viewer import palette

_CORNER = 4.0


def paint_crosshair(painter: QPainter, middle: QPointF, area: QRectF) -> None:
    """Thin lines through ``middle`` across ``area``, the part of the viewport that shows the picture."""
    painter.setPen(QPen(palette.with_alpha(palette.ACCENT, 0.5), 1.0))
    x, y = round(middle.x()) + 0.5, round(middle.y()) + 0.5  # on the pixel, so that the line is one pixel wide
    painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
    painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))


def paint_border(painter: QPainter, area: QRectF, active: bool) -> None:
    """A hairline round the viewport, in the accent's blue when the tools and keys belong to it."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(palette.ACCENT if active else palette.LINE, 1.0))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), _CORNER, _CORNER)
