"""Every shortcut, from the table of actions."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QWidget

from saliency_viewer.gui.actions import ACTIONS, shortcut_text
from saliency_viewer.gui.panels.parts import label, section

_ROWS = 16


class CheatSheet(QDialog):
    """Groups of actions with their keys."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout(self)
        grid.setContentsMargins(20, 20, 20, 20)
        grid.setHorizontalSpacing(20)
        line = 0
        for group in dict.fromkeys(action.group for action in ACTIONS):
            members = [action for action in ACTIONS if action.group == group]
            for action in (None, *members):
                place, side = line % _ROWS, 2 * (line // _ROWS)
                line += 1
                if action is None:
                    grid.addWidget(section(group), place, side, 1, 2)
                    continue
                key = label(shortcut_text(action), "pill")
                key.setAlignment(Qt.AlignmentFlag.AlignCenter)
                grid.addWidget(key, place, side)
                grid.addWidget(label(action.tip, "soft"), place, side + 1)
