"""A form that scrolls down, and is as wide as its fields are."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QWidget


class FormArea(QScrollArea):
    """``least`` is the usual width in pixels; with larger letters fields are wider, and none may be cut."""

    def __init__(self, form: QWidget, least: int) -> None:
        super().__init__()
        self._form, self._least = form, least
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the fields take the keyboard, and are scrolled to
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setWidget(form)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as its fields and the scroll bar."""
        room = self.verticalScrollBar().sizeHint().width() + 2 * self.frameWidth()
        return QSize(max(self._least, self._form.minimumSizeHint().width() + room), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """No narrower than that."""
        return QSize(self.sizeHint().width(), super().minimumSizeHint().height())

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow the fields."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)
