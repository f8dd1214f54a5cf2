"""The colours and fonts of the viewport."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont

TEXT = QColor("#E6E9EE")
SECONDARY = QColor("#AEB7C2")
MUTED = QColor("#8590A0")
ACCENT = QColor("#4C9EEB")
LINE = QColor("#262C35")
BLACK = QColor("#000000")
CLEAR = QColor(0, 0, 0, 0)
BADGES = {
    "verified": QColor("#5FD3A2"),
    "approximate": QColor("#EDBE5C"),
    "failed": QColor("#F08A84"),
    "not defined": QColor("#8590A0"),
}


def font(pixels: int = 12, bold: bool = False) -> QFont:
    """Inter, or the system's sans where it is absent."""
    made = QFont()
    made.setFamilies(["Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans"])
    made.setPixelSize(pixels)
    made.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return made


def with_alpha(colour: QColor, alpha: float) -> QColor:
    """The colour with an opacity of 0..1."""
    made = QColor(colour)
    made.setAlphaF(alpha)
    return made


def badge_background(colour: QColor) -> QColor:
    """The dark tone of a badge's colour that stands behind its words."""
    return QColor.fromHslF(max(colour.hslHueF(), 0.0), min(colour.hslSaturationF(), 0.42), 0.15)
