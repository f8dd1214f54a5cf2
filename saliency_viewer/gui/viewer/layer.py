"""Something painted once and copied to the screen until it changes."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QWidget


class KeptLayer:
    """A pixmap of the widget's size in the screen's own resolution, ``ground`` where nothing is painted."""

    def __init__(self, widget: QWidget, ground: QColor) -> None:
        self._ground = ground
        self._widget = widget
        self._pixmap: QPixmap | None = None

    def forget(self) -> None:
        """Paint again next time."""
        self._pixmap = None

    def draw(self, painter: QPainter, paint: Callable[[QPainter], None]) -> None:
        """Copy the layer to the widget's ``painter``; ``paint`` fills it when it was forgotten or the size changed."""
        ratio = self._widget.devicePixelRatioF()
        size = self._widget.size() * ratio
        if self._pixmap is None or self._pixmap.size() != size or self._pixmap.devicePixelRatio() != ratio:
            pixmap = QPixmap(size)
            pixmap.setDevicePixelRatio(ratio)
            pixmap.fill(self._ground)
            with QPainter(pixmap) as inner:
                paint(inner)
            self._pixmap = pixmap
        painter.drawPixmap(0, 0, self._pixmap)
