"""Running through the slices or frames of the active plane."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.state import DocumentState

FRAMES_PER_SECOND = 15


class Cine(QObject):
    """Goes one slice on at each beat while the view says that it is playing, and from the last to the first."""

    def __init__(self, state: DocumentState, intents: Intents, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._intents = state, intents
        self._timer = QTimer(self)
        self._timer.setInterval(1000 // FRAMES_PER_SECOND)
        self._timer.timeout.connect(self._step)
        intents.toggle_cine.connect(lambda: state.change_view(playing=not state.view.playing))
        state.view_changed.connect(self._follow)
        state.volume_changed.connect(self._follow)

    def stop(self) -> None:
        """Stand still."""
        self._state.change_view(playing=False)

    def _follow(self) -> None:
        wanted = self._state.view.playing and self._state.volume is not None
        if wanted and not self._timer.isActive():
            self._timer.start()
        elif not wanted:
            self._timer.stop()

    def _step(self) -> None:
        view, volume = self._state.view, self._state.volume
        if volume is not None:
            self._intents.set_slice.emit(view.axis, (view.index[view.axis] + 1) % volume.geometry.shape[view.axis])
