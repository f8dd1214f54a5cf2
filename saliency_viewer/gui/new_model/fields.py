"""Small parts of the dialog."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHeaderView,
    QLayout,
    QSizePolicy,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from saliency_viewer.gui import theme
from saliency_viewer.gui.panels.parts import label

_NAMES = 92  # pixels
_ROW = 26
_NUMBER = 52
_MOST_ROWS = 6  # shown at once


def form(*rows: tuple[str, QWidget | QLayout]) -> QFormLayout:
    """Fields under each other with their names to the left."""
    made = QFormLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setHorizontalSpacing(theme.M)
    made.setVerticalSpacing(theme.S)
    made.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    for name, field in rows:
        words = label(name, "soft")
        words.setMinimumWidth(_NAMES)
        if isinstance(field, QWidget):
            field.setAccessibleName(name)
            made.addRow(words, field)
        else:
            made.addRow(words, field)
    return made


def choices(entries: Iterable[tuple[str, str, str]]) -> QComboBox:
    """A combo box of (value, words, tip), as wide as there is room."""
    made = QComboBox()
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for value, words, tip in entries:
        made.addItem(words, value)
        made.setItemData(made.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
    return made


def choose(combo: QComboBox, value: str) -> None:
    """Select the entry of that value."""
    combo.setCurrentIndex(max(combo.findData(value), 0))


def number(largest: int) -> QSpinBox:
    """A whole number from 1."""
    made = QSpinBox()
    made.setRange(1, largest)
    made.setMinimumWidth(_NUMBER)
    made.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return made


class ClassTable(QTableWidget):
    """The names of the classes in the network's order, from 0."""

    def __init__(self) -> None:
        super().__init__(0, 1)
        self.horizontalHeader().hide()
        self.setShowGrid(False)
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.setAccessibleName("Names of the classes")
        self.setEditTriggers(QTableWidget.EditTrigger.AllEditTriggers)

    def show_names(self, names: Iterable[str]) -> None:
        """Other classes."""
        listed = list(names)
        before = self.blockSignals(True)
        self.setRowCount(len(listed))
        self.setVerticalHeaderLabels([str(k) for k in range(len(listed))])
        for k, name in enumerate(listed):
            item = QTableWidgetItem(name)
            item.setBackground(QColor(theme.PANEL))  # so that it looks like what it is: a field
            self.setItem(k, 0, item)
        self.blockSignals(before)
        self.setFixedHeight(_ROW * min(max(len(listed), 1), _MOST_ROWS) + 4)

    @property
    def names(self) -> tuple[str, ...]:
        """The names as they stand."""
        items = (self.item(k, 0) for k in range(self.rowCount()))
        return tuple(item.text().strip() if item is not None else "" for item in items)
