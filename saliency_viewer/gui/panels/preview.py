"""The middle while a folder is being read: its first image."""

from __future__ import annotations

from PySide6.QtWidgets import QVBoxLayout, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.viewer.canvas import SliceCanvas


class PreviewPage(QWidget):
    """One picture to look at; nothing can be done with it yet."""

    def __init__(self, state: DocumentState) -> None:
        super().__init__()
        self._state = state
        self.canvas = SliceCanvas()
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.S - 2, theme.S - 2, theme.S - 2, theme.S - 2)
        column.addWidget(self.canvas)
        state.preview_changed.connect(self.refresh)

    def refresh(self) -> None:
        """Read the state."""
        preview = self._state.preview
        self.canvas.set_volume(preview.volume if preview is not None else None)
        if preview is not None:
            self.canvas.set_title(preview.title, preview.subtitle)
