"""The look of the window: colours, type, spacing and the style sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QColor, QFont, QPalette

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

VIEWPORT = "#000000"
PANEL = "#12161B"
CARD = "#181D24"
RAISED = "#1F2630"
LINE = "#262C35"
TEXT = "#E6E9EE"
SOFT = "#AEB7C2"
MUTED = "#8590A0"
ACCENT = "#4C9EEB"
ACCENT_FILL = "#2F7FD0"
ACCENT_DARK = "#1D3A58"
VERIFIED = "#5FD3A2"
APPROXIMATE = "#EDBE5C"
FAILED = "#F08A84"

# A badge's words and the dark tone behind them.
BADGES = {
    "verified": (VERIFIED, "#16382B"),
    "approximate": (APPROXIMATE, "#3F3012"),
    "failed": (FAILED, "#43201F"),
    "not defined": (MUTED, "#262C35"),
}

XS, S, M, L = 4, 8, 12, 16
RADIUS = 8
FAMILIES = ("Inter", "Segoe UI", "SF Pro Text", "Noto Sans", "DejaVu Sans")

_SHEET = f"""
* {{ font-family: {", ".join(f'"{name}"' for name in FAMILIES)}; font-size: 13px; color: {TEXT}; }}
QMainWindow, QDialog, #page {{ background: {PANEL}; }}
QToolTip {{ background: {RAISED}; color: {TEXT}; border: 1px solid {LINE}; padding: 6px; }}
#topBar, #statusLine {{ background: {PANEL}; }}
#topBar {{ border-bottom: 1px solid {LINE}; }}
#statusLine {{ border-top: 1px solid {LINE}; }}
#centre {{ background: {VIEWPORT}; }}
#leftPanel {{ background: {PANEL}; border-right: 1px solid {LINE}; }}
#rightPanel {{ background: {PANEL}; border-left: 1px solid {LINE}; }}
#card, #bottomBar {{ background: {CARD}; border: 1px solid {LINE}; border-radius: {RADIUS}px; }}
#bottomBar {{ border-color: {PANEL}; }}
#toolGroup {{ background: {CARD}; border-radius: {RADIUS}px; }}
#summaryCell {{ background: #0B0E12; border: 1px solid {LINE}; border-radius: 4px; }}
#appName {{ font-size: 14px; font-weight: 600; }}
#sectionTitle {{ font-size: 11px; font-weight: 600; color: {MUTED}; letter-spacing: 1px; }}
#columnTitle {{ font-weight: 600; padding: 2px; }}
#groupTitle {{ font-size: 11px; font-weight: 600; color: {SOFT}; padding: 6px 2px 0 2px; }}
#emptyTitle {{ font-size: 20px; font-weight: 600; }}
#soft {{ color: {SOFT}; }}
#muted, #mutedButton {{ color: {MUTED}; font-size: 11px; }}
#warning {{ color: {APPROXIMATE}; font-size: 12px; }}
#notice {{ color: {APPROXIMATE}; font-size: 12px; font-weight: 500; }}
#pill {{ background: {CARD}; border: 1px solid {LINE}; border-radius: 11px; padding: 2px 10px; color: {SOFT}; }}
QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 8px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 8px; margin: 0; }}
QScrollBar::handle {{ background: #343C48; border-radius: 4px; min-height: 24px; min-width: 24px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QPushButton, QToolButton {{
  background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px 7px; color: {SOFT}; }}
QPushButton:hover, QToolButton:hover {{ background: {RAISED}; color: {TEXT}; }}
QPushButton:focus, QToolButton:focus {{ border: 1px solid {ACCENT}; }}
QPushButton:disabled, QToolButton:disabled {{ color: #566070; }}
QToolButton:checked {{ background: {ACCENT_DARK}; color: #CFE5FB; font-weight: 600; }}
QToolButton::menu-indicator, QPushButton::menu-indicator {{ image: none; }}
QPlainTextEdit#code {{ font-family: "DejaVu Sans Mono", "Consolas", "Menlo", monospace; font-size: 12px; }}
QToolButton#smallTab {{ padding: 1px 7px; font-size: 11px; }}
QPushButton#primary {{ background: {ACCENT_FILL}; color: white; font-weight: 600; padding: 7px 14px; }}
QPushButton#primary:hover {{ background: {ACCENT}; }}
QPushButton#primary:disabled {{ background: {RAISED}; color: {MUTED}; }}
QPushButton#plain {{ background: {RAISED}; color: {TEXT}; padding: 7px 14px; }}
QPushButton#plain:hover {{ background: #2A3340; }}
QPushButton#plain:disabled {{ color: {MUTED}; }}
QPushButton#mutedButton {{ padding: 2px 4px; text-align: left; }}
QCheckBox {{ spacing: {S}px; }}
QCheckBox::indicator {{
  width: 14px; height: 14px; border: 1px solid #4A5361; border-radius: 4px; background: {PANEL}; }}
QCheckBox::indicator:checked {{ background: {ACCENT}; border-color: {ACCENT}; }}
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit {{
  background: {PANEL}; border: 1px solid {LINE}; border-radius: 6px; padding: 3px 6px;
  selection-background-color: {ACCENT_FILL}; }}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{ border-color: {ACCENT}; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ width: 0; border: none; }}
QComboBox QAbstractItemView {{
  background: {RAISED}; border: 1px solid {LINE}; selection-background-color: {ACCENT_DARK}; }}
QMenu {{ background: {RAISED}; border: 1px solid {LINE}; padding: 4px; }}
QMenu::item {{ padding: 5px 20px; border-radius: 4px; }}
QMenu::item:selected {{ background: {ACCENT_DARK}; }}
QMenu::item:disabled {{ color: {MUTED}; background: transparent; }}
QMenu::separator {{ height: 1px; background: {LINE}; margin: 4px 8px; }}
QProgressBar {{ background: {LINE}; border: none; border-radius: 2px; max-height: 5px; min-height: 5px; }}
QProgressBar::chunk {{ background: {VERIFIED}; border-radius: 2px; }}
QSlider::groove:horizontal {{ height: 4px; background: {LINE}; border-radius: 2px; }}
QSlider::sub-page:horizontal {{ height: 4px; background: {ACCENT}; border-radius: 2px; }}
QSlider::handle:horizontal {{ width: 13px; height: 13px; margin: -5px 0; border-radius: 6px; background: {TEXT}; }}
QSlider::sub-page:horizontal:disabled {{ background: {LINE}; }}
QSlider::handle:horizontal:disabled {{ background: #566070; }}
QTableWidget {{ background: transparent; border: none; gridline-color: {LINE}; }}
QTableWidget {{ font-size: 12px; }}
QTableWidget::item {{ border-bottom: 1px solid {LINE}; padding: 0 2px; }}
QTableWidget::item:selected {{ background: {ACCENT_DARK}; color: {TEXT}; }}
QTreeWidget::item {{ padding: 3px 0; }}
QHeaderView, QHeaderView::section {{ background: transparent; border: none; color: {MUTED}; font-size: 11px; }}
#agreement QHeaderView::section {{ padding-left: 4px; }}
QSplitter::handle {{ background: {LINE}; }}
"""


def style_sheet() -> str:
    """The window's style sheet."""
    return _SHEET


def font(pixels: int = 13, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The sans that is used everywhere, with tabular figures where Qt and the font have them."""
    made = QFont()
    made.setFamilies(list(FAMILIES))
    made.setPixelSize(pixels)
    made.setWeight(weight)
    if hasattr(made, "setFeature"):
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


def dress(app: QApplication) -> None:
    """Give the program its dark look, whatever the desktop's theme is."""
    app.setStyle("Fusion")
    palette = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, PANEL),
        (QPalette.ColorRole.Base, PANEL),
        (QPalette.ColorRole.AlternateBase, CARD),
        (QPalette.ColorRole.Button, CARD),
        (QPalette.ColorRole.Text, TEXT),
        (QPalette.ColorRole.WindowText, TEXT),
        (QPalette.ColorRole.ButtonText, TEXT),
        (QPalette.ColorRole.Highlight, ACCENT_FILL),
        (QPalette.ColorRole.HighlightedText, "#FFFFFF"),
        (QPalette.ColorRole.PlaceholderText, MUTED),
    ):
        palette.setColor(role, QColor(colour))
    app.setPalette(palette)
    app.setFont(font())
    app.setStyleSheet(style_sheet())
