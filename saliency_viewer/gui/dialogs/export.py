"""Where the results go, and whether the patient stays in them."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialog, QFileDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import label, row

_WHAT = "Writes slices and a summary as PNG, raw maps as NPY and NIfTI, the statistics table and a manifest."
_IDENTIFY = "Keep the paths of the inputs in the manifest (they can name the patient)"


class FolderField(QWidget):
    """A path with a button that asks for a folder."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.line = QLineEdit()
        self.line.setPlaceholderText("Choose a folder")
        self._title = title
        button = QPushButton("Browse…")
        button.setObjectName("plain")
        button.clicked.connect(self._ask)
        line = row(self.line, button)
        self.setLayout(line)

    def _ask(self) -> None:
        dialog = QFileDialog(self, self._title)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.line.setText)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()


class ExportDialog(QDialog):
    """De-identified unless the user says otherwise."""

    def __init__(self, parent: QWidget | None, intents: Intents) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(520)
        self._intents = intents
        self.folder = FolderField("Export to")
        self.identify = QCheckBox(_IDENTIFY)
        self.go = QPushButton("Export")
        self.go.setObjectName("primary")
        self.go.setEnabled(False)
        self.go.clicked.connect(self._export)
        self.folder.line.textChanged.connect(lambda text: self.go.setEnabled(bool(text.strip())))
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, theme.L)
        column.setSpacing(theme.M)
        for widget in (label(_WHAT, "soft", True), self.folder, self.identify):
            column.addWidget(widget)
        column.addLayout(row(None, self.go))

    def _export(self) -> None:
        self._intents.export.emit(self.folder.line.text().strip(), self.identify.isChecked())
        self.accept()
