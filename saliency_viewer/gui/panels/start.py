"""The empty window: one sentence, the demos, and what was opened lately."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.panels.loading import LoadingBar
from saliency_viewer.gui.panels.menus import short
from saliency_viewer.gui.panels.parts import clear, label, row
from saliency_viewer.gui.state import DocumentState

_LATEST = 4


class StartPage(QWidget):
    """What to do first; while something is read it says what."""

    def __init__(self, state: DocumentState, intents: Intents, recent: RecentFiles) -> None:
        super().__init__()
        self._state, self._intents, self._recent = state, intents, recent
        self._title = label("Drop a study here, or open the demo", "emptyTitle")
        self._title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words = "DICOM folder, file or zip · NIfTI · NRRD · MHA · PNG · JPEG · session file"
        kinds = label(words, "soft")
        kinds.setAlignment(Qt.AlignmentFlag.AlignCenter)
        chest, brain = QPushButton("Chest demo"), QPushButton("Brain demo")
        chest.setObjectName("primary")
        brain.setObjectName("primary")
        chest.setToolTip("A made-up radiograph with a small classifier: image, prediction, maps and regions")
        brain.setToolTip("A made-up brain volume with a small classifier: image, prediction, maps and regions")
        chest.clicked.connect(lambda: intents.open_demo.emit("chest"))
        brain.clicked.connect(lambda: intents.open_demo.emit("brain"))
        file, folder = QPushButton("Open file…"), QPushButton("Open folder…")
        for button, kind in ((file, "file"), (folder, "folder")):
            button.setObjectName("plain")
            button.clicked.connect(lambda _=False, kind=kind: intents.open_dialog.emit(kind))
        self._buttons = (chest, brain, file, folder)
        column = QVBoxLayout(self)
        column.setSpacing(theme.L)
        column.addStretch(2)
        column.addWidget(self._title)
        column.addWidget(kinds)
        column.addLayout(row(None, LoadingBar(state, intents, in_words=False), None))
        column.addLayout(row(None, chest, brain, None, spacing=theme.M))
        column.addLayout(row(None, file, folder, None, spacing=theme.M))
        self._latest = QVBoxLayout()
        self._latest.setSpacing(0)
        column.addLayout(self._latest)
        column.addStretch(3)
        state.loading_changed.connect(self.refresh)
        recent.changed.connect(self._show_latest)
        self._show_latest()

    def refresh(self) -> None:
        """Read the state."""
        loading = self._state.loading.text
        self._title.setText(f"{loading}…" if loading else "Drop a study here, or open the demo")
        for button in self._buttons:
            button.setEnabled(not loading)

    def _show_latest(self) -> None:
        clear(self._latest)
        for path in self._recent.list.studies[:_LATEST]:
            button = QPushButton(short(path).replace("&", "&&"))
            button.setObjectName("mutedButton")
            button.setToolTip(path)
            button.clicked.connect(lambda _=False, path=path: self._intents.open_paths.emit([path]))
            self._latest.addLayout(row(None, button, None))
