"""A field for a path, with buttons that ask for it."""

from __future__ import annotations

from PySide6.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from saliency_viewer.gui.panels.parts import row

_MODES = {
    "folder": ("Folder…", QFileDialog.FileMode.Directory),
    "file": ("File…", QFileDialog.FileMode.ExistingFile),
}


class PathField(QWidget):
    """``kinds``, of ``folder`` and ``file``, are the ways to choose; a path can be typed and dropped too."""

    def __init__(self, title: str, words: str, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.line = QLineEdit()
        self.line.setPlaceholderText(words)
        self.line.setAccessibleName(title)
        self._title = title
        self._buttons: dict[str, QPushButton] = {}
        layout = row(self.line)
        for kind in kinds:
            text, mode = _MODES[kind]
            button = QPushButton(text)
            button.setObjectName("plain")
            button.clicked.connect(lambda _=False, mode=mode: self._ask(mode))
            self._buttons[kind] = button
            layout.addWidget(button)
        self.setLayout(layout)

    @property
    def text(self) -> str:
        """The path; a dropped file's address is read as its path."""
        return self.line.text().strip().removeprefix("file://")

    def offer(self, kind: str) -> None:
        """Ask for this kind only."""
        for name, button in self._buttons.items():
            button.setVisible(name == kind)

    def _ask(self, mode: QFileDialog.FileMode) -> None:
        dialog = QFileDialog(self, self._title)
        dialog.setFileMode(mode)
        dialog.fileSelected.connect(self.line.setText)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
