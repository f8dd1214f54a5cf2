"""The model's modules as a tree, to choose the layer that class activation methods read."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import label, row
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.models import LayerNode

_WHAT = (
    "Grad-CAM and its kin read the feature maps of one layer: coarse in late layers, fine but less telling in early "
    "ones."
)
_WAITING = "The model is being loaded. Its layers appear here as soon as it is."
_PATH = Qt.ItemDataRole.UserRole


class LayerDialog(QDialog):
    """Every module with its kind and output; only those with feature maps can be chosen."""

    def __init__(self, parent: QWidget | None, state: DocumentState, intents: Intents, chosen: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Layer")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(620, 560)
        self._state, self._intents, self._chosen = state, intents, chosen
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Show layers whose name or kind holds…")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._narrow)
        self.tree = QTreeWidget()
        self.tree.setHeaderLabels(["Layer", "Kind", "Channels", "Maps"])
        self.tree.setUniformRowHeights(True)
        self.tree.itemSelectionChanged.connect(self._selected)
        self.tree.itemDoubleClicked.connect(lambda item, _column: self._take(item))
        header = self.tree.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.waiting = label(_WAITING, "soft", True)
        self.use, self.automatic = QPushButton("Use this layer"), QPushButton("Find it automatically")
        self.use.setObjectName("primary")
        self.automatic.setObjectName("plain")
        self.use.clicked.connect(lambda: self._take(self.tree.currentItem()))
        self.automatic.clicked.connect(lambda: self._choose(""))
        self._assemble()
        state.layers_changed.connect(self.refresh)
        self.refresh()

    def _assemble(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, theme.L)
        column.setSpacing(theme.M)
        for widget in (label(_WHAT, "soft", True), self.filter, self.waiting, self.tree):
            column.addWidget(widget)
        column.addLayout(row(None, self.automatic, self.use))

    def refresh(self) -> None:
        """Read the state."""
        layers = self._state.layers
        self.waiting.setVisible(layers is None)
        self.tree.clear()
        for node in layers.children if layers is not None else ():
            self.tree.addTopLevelItem(self._item(node))
        self.tree.expandToDepth(0)
        for item in self._items():
            if item.data(0, _PATH) == self._chosen:
                self.tree.setCurrentItem(item)
        self._selected()

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

    def _items(self) -> list[QTreeWidgetItem]:
        found: list[QTreeWidgetItem] = []
        waiting = [self.tree.topLevelItem(k) for k in range(self.tree.topLevelItemCount())]
        while waiting:
            item = waiting.pop()
            if item is not None:
                found.append(item)
                waiting += [item.child(k) for k in range(item.childCount())]
        return found

    def _narrow(self, text: str) -> None:
        """Hide what does not match, but keep the way to what does."""
        words = text.strip().lower()
        for item in self._items():
            item.setHidden(bool(words))
        for item in self._items():
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

    def _selected(self) -> None:
        self.use.setEnabled(bool(self.tree.selectedItems()))

    def _take(self, item: QTreeWidgetItem | None) -> None:
        if item is not None and item.flags() & Qt.ItemFlag.ItemIsSelectable:
            self._choose(str(item.data(0, _PATH)))

    def _choose(self, path: str) -> None:
        self._intents.choose_layer.emit(path)
        self.accept()
