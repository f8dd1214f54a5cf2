"""The words on a viewport: title, badge, image facts, orientation letters, zoom."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPainterPath, QPen, QPixmap, QPixmapCache

from saliency_viewer.domain import Volume, Window
from saliency_viewer.gui.viewer import palette
from saliency_viewer.gui.viewer.frame import SliceFrame
from saliency_viewer.render import window_name

MARGIN = 10.0
_LINE = 15.0
_EDGE = 3.0


@dataclass(frozen=True)
class Heading:
    """What stands at the top left; ``badge_kind`` is a validity badge's name and gives its colour."""

    title: str = ""
    subtitle: str = ""
    badge: str = ""
    badge_kind: str = ""


def image_lines(volume: Volume, frame: SliceFrame, index: int, window: Window | None) -> tuple[str, ...]:
    """The lines at the bottom left, e.g. ``DX · PA · 560 × 560`` and ``W 2048 · L 1024``."""
    view = volume.view if frame.slices == 1 or not volume.is_stack else frame.plane.name
    noun = "Slice" if volume.is_stack else "Frame"
    facts = [word for word in (volume.modality, view) if word]
    lines = [" · ".join([*facts, f"{frame.width} × {frame.height}"])]
    shown = [f"{noun} {index + 1} / {frame.slices}"] if frame.slices > 1 else []
    if window is not None and volume.colour is None:
        shown.append(f"W {short_number(window.width)} · L {short_number(window.centre)}")
        lines += [window_name(window)] if window_name(window) else []
    if shown:
        lines.append(" · ".join(shown))
    return tuple(lines)


def short_number(value: float) -> str:
    """A value as read from a screen: whole when large, three significant digits when small, a true minus."""
    text = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return text.replace("-", "−")


def draw_text(painter: QPainter, where: QPointF, text: str, font: QFont, colour: QColor) -> float:
    """Draw at a baseline with a soft dark edge, which keeps words legible on bright tissue; returns the width."""
    metrics = QFontMetricsF(font)
    width = metrics.horizontalAdvance(text)
    if text:
        ratio = painter.device().devicePixelRatioF()
        words = _words(text, font, colour, ratio, QSizeF(width, metrics.height()))
        top = where.y() - metrics.ascent() - _EDGE
        # Whole pixels, so that the kept picture of the words stays sharp.
        left = QPointF(round((where.x() - _EDGE) * ratio) / ratio, round(top * ratio) / ratio)
        painter.drawPixmap(left, words)
    return width


def _words(text: str, font: QFont, colour: QColor, ratio: float, size: QSizeF) -> QPixmap:
    """The words with their edge, kept by Qt: outlining letters is too slow for every mouse move."""
    key = f"viewer-words/{text}/{font.key()}/{colour.name()}/{ratio}"
    kept = QPixmap()
    if QPixmapCache.find(key, kept):
        return kept
    whole = (size + QSizeF(2 * _EDGE, 2 * _EDGE)) * ratio
    words = QPixmap(whole.toSize() + QSize(1, 1))
    words.setDevicePixelRatio(ratio)
    words.fill(Qt.GlobalColor.transparent)
    with QPainter(words) as painter:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        start = QPointF(_EDGE, _EDGE + QFontMetricsF(font).ascent())
        letters = QPainterPath()
        letters.addText(start, font, text)
        edge = QPen(palette.with_alpha(palette.BLACK, 0.8), 2 * _EDGE - 1)  # half of it lies under the letters
        edge.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.strokePath(letters, edge)
        painter.setFont(font)
        painter.setPen(colour)
        painter.drawText(start, text)
    QPixmapCache.insert(key, words)
    return words


def paint_heading(painter: QPainter, heading: Heading, area: QRectF) -> QRectF:
    """Title in bold with its badge, the subtitle below; returns the area that the first line takes."""
    bold, plain = palette.font(13, bold=True), palette.font(12)
    baseline = area.top() + MARGIN + 11
    room = area.width() - 2 * MARGIN
    badge_room = QFontMetricsF(palette.font(11)).horizontalAdvance(heading.badge) + 26 if heading.badge else 0.0
    title = _elided(heading.title, bold, room - badge_room)
    width = draw_text(painter, QPointF(area.left() + MARGIN, baseline), title, bold, palette.TEXT)
    if heading.badge:
        width += 10 if title else 0
        width += _paint_badge(painter, QPointF(area.left() + MARGIN + width, baseline), heading)
    if heading.subtitle:
        text = _elided(heading.subtitle, plain, room)
        draw_text(painter, QPointF(area.left() + MARGIN, baseline + 17), text, plain, palette.SECONDARY)
    return QRectF(area.left(), area.top(), MARGIN + width, MARGIN + 17)


def _paint_badge(painter: QPainter, baseline: QPointF, heading: Heading) -> float:
    font = palette.font(11)
    colour, ground = palette.badge_colours(heading.badge_kind)
    width = QFontMetricsF(font).horizontalAdvance(heading.badge)
    pill = QRectF(baseline.x(), baseline.y() - 12.5, width + 14, 17)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
    painter.setFont(font)
    painter.setPen(colour)
    painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, heading.badge)
    return pill.width()


def _elided(text: str, font: QFont, room: float) -> str:
    return QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, max(room, 0.0))


def paint_corners(painter: QPainter, lines: tuple[str, ...], zoom: float, area: QRectF) -> None:
    """Image facts at the bottom left, the zoom at the bottom right."""
    font = palette.font(12)
    bottom = area.bottom() - MARGIN - 1
    zoom_text = f"{zoom:.2f} ×"
    right = area.right() - MARGIN - QFontMetricsF(font).horizontalAdvance(zoom_text)
    draw_text(painter, QPointF(right, bottom), zoom_text, font, palette.SECONDARY)
    room = area.width() - 2 * MARGIN
    for up, line in enumerate(reversed(lines)):
        space = room - 60 if up == 0 else room
        where = QPointF(area.left() + MARGIN, bottom - up * _LINE)
        draw_text(painter, where, _elided(line, font, space), font, palette.SECONDARY)


def paint_letters(painter: QPainter, letters: tuple[str, str, str, str], area: QRectF, taken: QRectF) -> None:
    """The patient's sides at the (left, right, top, bottom) edges; the top one gives way to a long title."""
    font = palette.font(13, bold=True)
    metrics = QFontMetricsF(font)
    left, right, top, bottom = letters
    middle = area.center().y() + metrics.capHeight() / 2
    draw_text(painter, QPointF(area.left() + MARGIN - 1, middle), left, font, palette.TEXT)
    wide = metrics.horizontalAdvance(right)
    draw_text(painter, QPointF(area.right() - MARGIN + 1 - wide, middle), right, font, palette.TEXT)
    down = 34.0 if taken.right() > area.center().x() - 12 else 0.0
    for letter, y in ((top, area.top() + MARGIN + 11 + down), (bottom, area.bottom() - MARGIN - 1)):
        x = area.center().x() - metrics.horizontalAdvance(letter) / 2
        draw_text(painter, QPointF(x, y), letter, font, palette.TEXT)


def paint_empty(painter: QPainter, text: str, area: QRectF) -> None:
    """What to do next, in the middle of an empty viewport."""
    painter.setFont(palette.font(13))
    painter.setPen(palette.MUTED)
    flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
    painter.drawText(area.adjusted(32, 32, -32, -32), int(flags), text)
