"""The methods' names above the grid's columns; they stay where the grid is scrolled down."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QPoint
from PySide6.QtWidgets import QScrollArea, QWidget

from saliency_viewer.gui.panels.parts import ElidedLabel


class ColumnTitles(QWidget):
    """A strip above what a scroll area shows; each title stands above one widget in it, and is as wide."""

    def __init__(self, area: QScrollArea) -> None:
        super().__init__(area)
        self._area, self._height = area, 0
        self._columns: list[tuple[ElidedLabel, QWidget]] = []
        area.horizontalScrollBar().valueChanged.connect(self._place)

    def show_titles(self, titles: Sequence[str], below: Sequence[QWidget]) -> None:
        """Write ``titles`` above the widgets ``below``, one for each."""
        for title, widget in self._columns:
            widget.removeEventFilter(self)
            title.hide()
            title.deleteLater()
        self._columns = [
            (ElidedLabel(words, "columnTitle"), widget) for words, widget in zip(titles, below, strict=True)
        ]
        for title, widget in self._columns:
            title.setParent(self)
            title.show()
            widget.installEventFilter(self)
        self._place()

    @property
    def titles(self) -> list[ElidedLabel]:
        """From left to right."""
        return [title for title, _ in self._columns]

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Go where the column goes."""
        if event.type() in (QEvent.Type.Move, QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return False

    def _place(self) -> None:
        seen = self._area.viewport()
        height = max((title.sizeHint().height() for title in self.titles), default=0)
        if height != self._height:
            self._height = height
            self._area.setViewportMargins(0, height, 0, 0)
        self.setGeometry(seen.x(), 0, seen.width(), height)
        for title, widget in self._columns:
            left = widget.mapTo(seen, QPoint(0, 0)).x()
            title.setGeometry(left, 0, widget.width(), height)
