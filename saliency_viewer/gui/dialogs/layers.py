"""The model's modules as a tree, to choose the layer that class activation methods read."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.layer_tree import LayerTree
from saliency_viewer.gui.panels.parts import label, row
from saliency_viewer.gui.state import DocumentState

_WHAT = (
    "Grad-CAM and its kin read the feature maps of one layer: coarse in late layers, fine but less telling in early "
    "ones."
)
_WAITING = "The model is being loaded. Its layers appear here as soon as it is."


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
        self.tree = LayerTree()
        self.filter.textChanged.connect(self.tree.narrow)
        self.tree.itemSelectionChanged.connect(self._selected)
        self.tree.chosen.connect(self._choose)
        self.waiting = label(_WAITING, "soft", True)
        self.use, self.automatic = QPushButton("Use this layer"), QPushButton("Find it automatically")
        self.use.setObjectName("primary")
        self.automatic.setObjectName("plain")
        self.use.clicked.connect(self.tree.take_current)
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
        self.tree.show_layers(layers, self._chosen)
        self._selected()

    def _selected(self) -> None:
        self.use.setEnabled(bool(self.tree.selectedItems()))

    def _choose(self, path: str) -> None:
        self._intents.choose_layer.emit(path)
        self.accept()
