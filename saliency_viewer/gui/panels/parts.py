"""Small pieces that panels are made of."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QTextLayout, QTextOption
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QStyle,
    QStyleOptionButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.domain import AttributionMap
from saliency_viewer.gui import theme

_FRAME = QSize(8, 40)  # pixels; what the desktop draws around a window is known only once it is shown


def label(text: str = "", name: str = "", wraps: bool = False) -> QLabel:
    """A label with a style name; never interprets its text as markup."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setObjectName(name)
    made.setWordWrap(wraps)
    return made


def fit_to_screen(window: QWidget, size: tuple[int, int]) -> None:
    """Give a new window this width and height, or its screen's where that is smaller: what is below it is lost."""
    room = window.screen().availableSize() - _FRAME
    window.resize(QSize(*size).boundedTo(room))


class ElidedLabel(QLabel):
    """A line of plain text that ends in an ellipsis where there is no room; its tooltip then says it whole."""

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setObjectName(name)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A few letters are enough."""
        whole = super().minimumSizeHint()
        return QSize(min(whole.width(), 3 * whole.height()), whole.height())

    def event(self, event: QEvent) -> bool:
        """Say in a tooltip what is cut."""
        if event.type() == QEvent.Type.ToolTip and not self.toolTip() and self._shown() != self.text():
            QToolTip.showText(self.mapToGlobal(self.rect().bottomLeft()), self.text(), self)
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw what there is room for."""
        with QPainter(self) as painter:
            self.style().drawItemText(
                painter, self.contentsRect(), self.alignment(), self.palette(), self.isEnabled(), self._shown(),
                self.foregroundRole(),
            )  # fmt: skip

    def _shown(self) -> str:
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.contentsRect().width())


class ShortLabel(QLabel):
    """Plain text in a few lines that ends in an ellipsis where they do not suffice; its tooltip then says it whole."""

    def __init__(self, text: str = "", name: str = "", lines: int = 2) -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setObjectName(name)
        self.setWordWrap(True)
        self._most = lines

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """A few letters of one line are enough."""
        height = self.fontMetrics().lineSpacing()
        return QSize(3 * height, height)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as the text in one line."""
        metrics = self.fontMetrics()
        return QSize(metrics.horizontalAdvance(self.text()) + 1, metrics.lineSpacing())

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """As many lines as there are."""
        return len(self.lines(width)) * self.fontMetrics().lineSpacing()

    def lines(self, width: int) -> list[str]:
        """What is drawn into ``width`` pixels."""
        layout = QTextLayout(self.text(), self.font())
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        found: list[str] = []
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(max(width, 1))
            start = line.textStart()
            found.append(self.text()[start : start + line.textLength()].rstrip())
            if len(found) == self._most:
                found[-1] = self.fontMetrics().elidedText(self.text()[start:], Qt.TextElideMode.ElideRight, width)
                break
        layout.endLayout()
        return found

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw line below line."""
        step = self.fontMetrics().lineSpacing()
        with QPainter(self) as painter:
            for down, line in enumerate(self.lines(self.width())):
                place = QRect(0, down * step, self.width(), step)
                self.style().drawItemText(
                    painter, place, Qt.AlignmentFlag.AlignLeft, self.palette(), self.isEnabled(), line,
                    self.foregroundRole(),
                )  # fmt: skip


class TickBox(QCheckBox):
    """A check box with a tick: a style sheet alone could only fill the box."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the box as styled, and the tick on it."""
        super().paintEvent(event)
        if not self.isChecked():
            return
        option = QStyleOptionButton()
        self.initStyleOption(option)
        box = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self)
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(QColor("white"), 1.8))
            left, top, side = box.left(), box.top(), box.width()
            corners = [(0.26, 0.52), (0.43, 0.69), (0.75, 0.34)]
            painter.drawPolyline([QPointF(left + x * side, top + y * side) for x, y in corners])


def section(text: str) -> QLabel:
    """A section's title in small capitals."""
    return ElidedLabel(text.upper(), "sectionTitle")


def card(title: str) -> tuple[QFrame, QVBoxLayout, QLabel]:
    """A rounded card with a title; returns the card, its layout and the title."""
    frame = QFrame()
    frame.setObjectName("card")
    layout = QVBoxLayout(frame)
    layout.setContentsMargins(theme.M, theme.M, theme.M, theme.M)
    layout.setSpacing(theme.S - 2)
    heading = section(title)
    layout.addWidget(heading)
    return frame, layout, heading


def row(*widgets: QWidget | int | None, spacing: int = theme.S) -> QHBoxLayout:
    """Widgets side by side; None is a stretch, a number a gap."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        elif isinstance(widget, int):
            layout.addSpacing(widget)
        else:
            layout.addWidget(widget)
    return layout


def badge(text: str, kind: str, tip: str = "") -> QLabel:
    """A pill in the colours of ``kind``."""
    made = label(text)
    front, back = theme.BADGES.get(kind, theme.BADGES["not defined"])
    made.setStyleSheet(
        f"color: {front}; background: {back}; border-radius: 8px; padding: 0 8px; font-size: 11px; font-weight: 500;"
    )
    made.setToolTip(tip)
    made.setFixedHeight(18)
    return made


def badge_words(amap: AttributionMap) -> str:
    """What a badge says: a number where there is one, else the badge's own word."""
    return amap.validity.short or amap.validity.badge


def method_label(method: str) -> str:
    """How a method is written on screen."""
    from saliency_viewer.attribution import METHODS

    return next((one.label for one in METHODS if one.id == method), method)


def target_words(amap: AttributionMap) -> str:
    """The explained class, and whether the model predicted it."""
    words = f"target: {amap.target} {amap.probability:.2f}"
    return words if amap.target_is_predicted else f"{words} · NOT the predicted class"


def clear(layout: QLayout) -> None:
    """Take everything out of a layout."""
    while (item := layout.takeAt(0)) is not None:
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
        elif inner is not None:
            clear(inner)
            inner.deleteLater()
