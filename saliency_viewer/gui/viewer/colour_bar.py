"""The legend of a map: its colours with the raw values at both ends."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from saliency_viewer.gui.viewer import palette
from saliency_viewer.gui.viewer.annotations import draw_text
from saliency_viewer.gui.viewer.picture import to_image
from saliency_viewer.render import MapStyle, colour_table

BAR_WIDTH = 8.0
NO_EVIDENCE = "no evidence"
_LABEL_WIDTH = 64.0
_PADDING = 8.0
_TALL_ENOUGH_FOR_ZERO = 96.0
_SHARE, _SMALLEST, _TALLEST, _INSET = 0.46, 60, 320, 28  # of a viewport's height; pixels


class ColourBar(QWidget):
    """A vertical bar, highest value on top; part of a viewport, or by itself in a panel.

    The mouse goes through it, so that nothing of the image is out of reach.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAccessibleName("Colour bar of the map")
        self._style: MapStyle | None = None
        self._image = QImage()
        self.hide()

    @property
    def style_shown(self) -> MapStyle | None:
        """The style whose colours are shown, None when hidden."""
        return self._style

    @property
    def labels(self) -> tuple[str, str]:
        """The words at the bottom and at the top; empty without a map."""
        if self._style is None or self._style.is_empty:
            return "", ""
        return self._style.end_words(raw_number)

    def set_style(self, style: MapStyle | None) -> None:
        """Show the colours and limits of ``style``; None hides the bar."""
        if style == self._style:
            return
        if style is not None:
            column = colour_table(style.colours)[::-1].reshape(-1, 1, 3)
            self._image = to_image(np.repeat(column, 2, axis=1))
        self._style = style
        if style is not None:
            of = " of the map's own largest value" if style.relative else ""
            words = NO_EVIDENCE if style.is_empty else f"from {self.labels[0]} to {self.labels[1]}{of}"
            self.setAccessibleDescription(words)
        self.setVisible(style is not None)
        self.update()

    def stand_in(self, viewport: QSize) -> None:
        """Take the place at the right of a viewport of this size, in the middle of its height."""
        height = min(max(round(viewport.height() * _SHARE), _SMALLEST), _TALLEST)
        width = self.sizeHint().width()
        self.setGeometry(viewport.width() - width - _INSET, (viewport.height() - height) // 2, width, height)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for the bar and its labels."""
        return QSize(int(_LABEL_WIDTH + BAR_WIDTH + _PADDING), 200)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the bar at the right and the labels left of it."""
        if self._style is None:
            return
        # Ended whatever happens: a painter that an error leaves open crashes the program.
        with QPainter(self) as painter:
            if self._style.is_empty:
                self._paint_no_evidence(painter)
            else:
                self._paint_bar(painter, self._style)

    def _paint_bar(self, painter: QPainter, style: MapStyle) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        bar = QRectF(self.width() - BAR_WIDTH - 1, _PADDING, BAR_WIDTH, self.height() - 2 * _PADDING)
        rounded = QPainterPath()
        rounded.addRoundedRect(bar, BAR_WIDTH / 2, BAR_WIDTH / 2)
        painter.save()
        painter.setClipPath(rounded)
        painter.drawImage(bar, self._image, QRectF(self._image.rect()))
        self._paint_hidden_part(painter, bar, style)
        painter.restore()
        painter.setPen(QPen(palette.with_alpha(palette.TEXT, 0.22), 1.0))
        painter.drawPath(rounded)
        self._paint_labels(painter, bar, style)

    def _paint_hidden_part(self, painter: QPainter, bar: QRectF, style: MapStyle) -> None:
        """Darken the values that the threshold hides: what is dark on the bar is not on the picture."""
        low, high = max(-style.cutoff, style.low), min(style.cutoff, style.high)
        per_value = bar.height() / (style.high - style.low)
        top = bar.bottom() - (high - style.low) * per_value
        hidden = QRectF(bar.left(), top, bar.width(), max(high - low, 0.0) * per_value)
        painter.fillRect(hidden, palette.with_alpha(palette.BLACK, 0.75))

    def _paint_no_evidence(self, painter: QPainter) -> None:
        font = palette.font(11)
        left = self.width() - 1 - QFontMetricsF(font).horizontalAdvance(NO_EVIDENCE)
        draw_text(painter, QPointF(left, self.height() / 2), NO_EVIDENCE, font, palette.TEXT)

    def _paint_labels(self, painter: QPainter, bar: QRectF, style: MapStyle) -> None:
        font = palette.font(11)
        metrics = QFontMetricsF(font)
        low, high = self.labels
        rows = [(high, bar.top() + metrics.capHeight() + 3), (low, bar.bottom() - 3)]
        if style.low < 0 < style.high and bar.height() > _TALL_ENOUGH_FOR_ZERO:
            share = style.high / (style.high - style.low)
            rows.append(("0", bar.top() + share * bar.height() + metrics.capHeight() / 2))
        for text, baseline in rows:
            left = bar.left() - 7 - metrics.horizontalAdvance(text)
            draw_text(painter, QPointF(left, baseline), text, font, palette.TEXT)


def raw_number(value: float) -> str:
    """A map's raw value in at most a few characters: ``0``, ``1``, ``0.25``, ``1.8e-2``; a true minus."""
    if value == 0:
        return "0"
    if 0.1 <= abs(value) < 1000:
        text = f"{value:.3g}"
    else:
        mantissa, exponent = f"{value:.1e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−", 1) if value < 0 else text
