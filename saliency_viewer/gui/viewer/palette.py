"""The window's colours and fonts as the viewport's painters need them."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont

from saliency_viewer.gui import theme

TEXT = QColor(theme.TEXT)
SECONDARY = QColor(theme.SOFT)
MUTED = QColor(theme.MUTED)
ACCENT = QColor(theme.ACCENT)
LINE = QColor(theme.LINE)
BLACK = QColor(theme.VIEWPORT)
CLEAR = QColor(0, 0, 0, 0)


def badge_colours(kind: str) -> tuple[QColor, QColor]:
    """Words and ground of a badge; an unknown kind looks like ``not defined``."""
    words, ground = theme.BADGES.get(kind, theme.BADGES["not defined"])
    return QColor(words), QColor(ground)


def font(pixels: int = 12, bold: bool = False) -> QFont:
    """The window's type at that size."""
    return theme.font(pixels, QFont.Weight.DemiBold if bold else QFont.Weight.Normal)


def with_alpha(colour: QColor, alpha: float) -> QColor:
    """The colour with an opacity of 0..1."""
    made = QColor(colour)
    made.setAlphaF(alpha)
    return made
