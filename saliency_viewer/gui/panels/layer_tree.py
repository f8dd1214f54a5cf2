"""The modules of a network as a tree; only those with feature maps can be chosen."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem

from saliency_viewer.models import LayerNode

_PATH = Qt.ItemDataRole.UserRole


class LayerTree(QTreeWidget):
    """Every module with its kind and output."""

    chosen = Signal(str)  # path of a layer, double-clicked

    def __init__(self) -> None:
        super().__init__()
        self.setHeaderLabels(["Layer", "Kind", "Channels", "Maps"])
        self.setUniformRowHeights(True)
        self.setAccessibleName("Layers of the network")
        self.itemDoubleClicked.connect(lambda item, _column: self._take(item))
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)

    def show_layers(self, layers: LayerNode | None, current: str = "") -> None:
        """Show another network, with the layer at ``current`` chosen."""
        self.clear()
        for node in layers.children if layers is not None else ():
            self.addTopLevelItem(self._item(node))
        self.expandToDepth(0)
        for item in self.items():
            if item.data(0, _PATH) == current:
                self.setCurrentItem(item)

    def _item(self, node: LayerNode) -> QTreeWidgetItem:
        channels = str(node.output[0]) if node.output else ""
        maps = " × ".join(map(str, node.output[1:])) if node.has_maps else "—"
        made = QTreeWidgetItem([node.name, node.kind, channels, maps])
        made.setData(0, _PATH, node.path)
        made.setToolTip(0, node.path)
        if not node.has_maps:
            # Still shown and opened: its parts may have maps although it has none.
            made.setFlags(made.flags() & ~Qt.ItemFlag.ItemIsSelectable)
            for column in range(4):
                made.setForeground(column, self.palette().placeholderText())
        made.addChildren([self._item(child) for child in node.children])
        return made

    def items(self) -> list[QTreeWidgetItem]:
        """All of them, in no order."""
        found: list[QTreeWidgetItem] = []
        waiting = [self.topLevelItem(k) for k in range(self.topLevelItemCount())]
        while waiting:
            item = waiting.pop()
            if item is not None:
                found.append(item)
                waiting += [item.child(k) for k in range(item.childCount())]
        return found

    def narrow(self, text: str) -> None:
        """Hide what does not match, but keep the way to what does."""
        words = text.strip().lower()
        for item in self.items():
            item.setHidden(bool(words))
        for item in self.items():
            if words in f"{item.data(0, _PATH)} {item.text(1)}".lower():
                self._reveal(item, bool(words))

    @staticmethod
    def _reveal(item: QTreeWidgetItem, opens: bool) -> None:
        step: QTreeWidgetItem | None = item
        while step is not None:
            step.setHidden(False)
            step = step.parent()
            if step is not None and opens:
                step.setExpanded(True)

    def take_current(self) -> None:
        """Choose the layer that is selected."""
        self._take(self.currentItem())

    def _take(self, item: QTreeWidgetItem | None) -> None:
        if item is not None and item.flags() & Qt.ItemFlag.ItemIsSelectable:
            self.chosen.emit(str(item.data(0, _PATH)))
