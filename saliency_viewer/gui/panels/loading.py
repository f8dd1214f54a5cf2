"""How far reading is, and a way to stop it."""

from __future__ import annotations

from PySide6.QtWidgets import QProgressBar, QPushButton, QWidget

from saliency_viewer.gui import theme
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parts import label, row
from saliency_viewer.gui.state import DocumentState

_STEPS = 1000
_WIDTH = 160


class LoadingBar(QWidget):
    """Words (or the share alone, where the words stand beside), a bar and Cancel; not there while nothing is read."""

    def __init__(self, state: DocumentState, intents: Intents, in_words: bool = True) -> None:
        super().__init__()
        self._state, self._in_words = state, in_words
        self.words, self.bar, self.stop = label("", "soft"), QProgressBar(), QPushButton("Cancel")
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(_WIDTH)
        self.stop.setObjectName("mutedButton")
        self.stop.setToolTip("Stop reading; what is open stays as it is")
        self.stop.clicked.connect(lambda: intents.stop_reading.emit())
        self.setLayout(row(self.words, self.bar, self.stop, spacing=theme.S))
        state.loading_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Read the state."""
        loading = self._state.loading
        self.setVisible(bool(loading.text) and loading.can_stop)
        known = loading.fraction is not None
        self.bar.setRange(0, _STEPS if known else 0)  # without an end Qt moves a piece to and fro
        self.bar.setValue(round(_STEPS * (loading.fraction or 0.0)))
        share = f"{loading.fraction:.0%}".replace("%", " %") if loading.fraction is not None else ""
        self.words.setText(" · ".join(word for word in (loading.text if self._in_words else "", share) if word))
