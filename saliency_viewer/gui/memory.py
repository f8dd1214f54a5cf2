"""What the window remembers between starts: where it stood, which methods were ticked, what was opened."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace

from PySide6.QtCore import QByteArray, QObject, Signal
from PySide6.QtWidgets import QWidget

from saliency_viewer.errors import UserError
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.methods import MethodsPanel
from saliency_viewer.session import Recent, forget_recent, load_recent, load_settings, save_recent, save_settings


class RecentFiles(QObject):
    """Keeps the list of what was opened; only what could be read gets onto it."""

    changed = Signal()

    def __init__(self, intents: Intents, pool: FilePool, parent: QObject) -> None:
        super().__init__(parent)
        self._pool = pool
        self._writing = threading.Lock()
        self.list = load_recent()
        intents.forget_recent.connect(self.forget)

    def add_study(self, path: str) -> None:
        """A study or session was opened."""
        self._put(self.list.with_study(path))

    def add_model(self, path: str) -> None:
        """A model package was opened."""
        self._put(self.list.with_model(path))

    def forget(self) -> None:
        """Empty the list, on disk too."""
        self._put(Recent())

    def _put(self, recent: Recent) -> None:
        if recent != self.list:
            self.list = recent
            self._pool.run(self._write, lambda _: self.changed.emit())

    def _write(self) -> None:
        """One at a time, and each writes what is the list by then: the pool has two threads."""
        with self._writing:
            recent = self.list
            if recent == Recent():
                forget_recent()
            else:
                save_recent(recent)


class LayoutMemory:
    """Puts the window where it stood and ticks what was ticked; :meth:`keep` does nothing unless restored before.

    So a picture taken without a screen always has the same size, and changes nothing that was remembered.
    """

    def __init__(self, window: QWidget, methods: MethodsPanel) -> None:
        self._window, self._methods = window, methods
        self._active = False

    def restore(self) -> None:
        """Read the settings; what no longer fits the screen is moved back onto it by Qt."""
        self._active = True
        settings = load_settings()
        if settings.window_geometry:
            self._window.restoreGeometry(QByteArray.fromBase64(settings.window_geometry.encode("ascii", "ignore")))
        if settings.last_methods:
            self._methods.tick(settings.last_methods)

    def keep(self) -> None:
        """Write the settings."""
        if not self._active:
            return
        geometry = bytes(self._window.saveGeometry().toBase64().data()).decode("ascii")
        with suppress(UserError):  # a disk that refuses must not keep the window open
            save_settings(replace(load_settings(), window_geometry=geometry, last_methods=self._methods.ticked))
