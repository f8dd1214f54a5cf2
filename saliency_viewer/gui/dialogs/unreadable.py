"""The files that could not be read, and why."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.domain import Unreadable
from saliency_viewer.gui import theme
from saliency_viewer.gui.panels.parts import label, row

_WHAT = "Everything else of what was opened could be read. Paths start from what was opened."
_UNFOLDED = 60  # files; of more the reasons alone are shown at first


class UnreadableDialog(QDialog):
    """Reasons with their files below them, the most frequent first. Copies as a table of path and reason."""

    def __init__(self, parent: QWidget | None, files: Sequence[Unreadable]) -> None:
        super().__init__(parent)
        self.setWindowTitle("Files that could not be read")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(720, 460)
        self._files = tuple(files)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Reason and files", "Files"])
        self.tree.setUniformRowHeights(True)
        self.tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self._fill()
        self.copy, self.shut = QPushButton("Copy all"), QPushButton("Close")
        self.copy.setObjectName("plain")
        self.copy.setToolTip("Copy paths and reasons as a table")
        self.shut.setObjectName("primary")
        self.copy.clicked.connect(lambda: _to_clipboard(self._files))
        self.shut.clicked.connect(self.accept)
        keys = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.tree)
        keys.activated.connect(lambda: _to_clipboard(self.selected() or self._files))
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, theme.L)
        column.setSpacing(theme.M)
        for widget in (label(_WHAT, "soft", True), self.tree):
            column.addWidget(widget)
        column.addLayout(row(None, self.copy, self.shut))

    def _fill(self) -> None:
        by_reason: dict[str, list[Unreadable]] = {}
        for file in self._files:
            by_reason.setdefault(file.reason, []).append(file)
        for reason, members in sorted(by_reason.items(), key=lambda item: -len(item[1])):
            head = QTreeWidgetItem([reason, str(len(members))])
            head.setTextAlignment(1, Qt.AlignmentFlag.AlignRight)
            head.setToolTip(0, reason)
            for file in members:
                item = QTreeWidgetItem([file.path])
                item.setToolTip(0, file.path)
                item.setData(0, Qt.ItemDataRole.UserRole, file)
                head.addChild(item)
            self.tree.addTopLevelItem(head)
            head.setExpanded(len(self._files) <= _UNFOLDED)

    def selected(self) -> tuple[Unreadable, ...]:
        """The chosen files, those of a chosen reason among them, in the order of the list."""
        found = []
        for k in range(self.tree.topLevelItemCount()):
            head = self.tree.topLevelItem(k)
            for n in range(head.childCount() if head is not None else 0):
                item = head.child(n) if head is not None else None
                if head is not None and item is not None and (head.isSelected() or item.isSelected()):
                    found.append(item.data(0, Qt.ItemDataRole.UserRole))
        return tuple(found)


def _to_clipboard(files: Sequence[Unreadable]) -> None:
    QGuiApplication.clipboard().setText("\n".join(f"{file.path}\t{file.reason}" for file in files))
