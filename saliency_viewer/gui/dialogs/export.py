"""Where the results go, and whether the patient stays in them."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QDialog, QPushButton, QVBoxLayout, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.dialogs.paths import PathField
from saliency_viewer.gui.panels.parts import label, row

_WHAT = "Writes slices and a summary as PNG, raw maps as NPY and NIfTI, the statistics table and a manifest."
_IDENTIFY = "Keep the paths of the inputs in the manifest (they can name the patient)"


class ExportDialog(QDialog):
    """De-identified unless the user says otherwise; ``export`` gets the folder and whether to keep what identifies."""

    def __init__(
        self, parent: QWidget | None, export: Callable[[str, bool], None], title: str = "Export", what: str = _WHAT
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(520)
        self._send = export
        self.folder = PathField("Export to", "Choose a folder", ("folder",))
        self.identify = QCheckBox(_IDENTIFY)
        self.go = QPushButton("Export")
        self.go.setObjectName("primary")
        self.go.setEnabled(False)
        self.go.clicked.connect(self._export)
        self.folder.line.textChanged.connect(lambda text: self.go.setEnabled(bool(text.strip())))
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, theme.L)
        column.setSpacing(theme.M)
        for widget in (label(what, "soft", True), self.folder, self.identify):
            column.addWidget(widget)
        column.addLayout(row(None, self.go))

    def _export(self) -> None:
        self._send(self.folder.text, self.identify.isChecked())
        self.accept()
