"""Reading and writing files beside the window: a small pool whose answers arrive in the window's thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QThreadPool, Signal

from saliency_viewer.errors import Cancelled, UserError

Item = TypeVar("Item")
_LOG = logging.getLogger(__name__)
_THREADS = 2
_PATIENCE = 5000  # ms for work that is under way when the window closes


class FilePool(QObject):
    """Runs functions off the window's thread, in the order given as far as two threads allow."""

    failed = Signal(object)  # UserError without a taker of its own
    idle = Signal()
    _finished = Signal(object)  # a function to call in the window's thread

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(_THREADS)
        self._open = 0
        self._closed = False
        self._finished.connect(self._answer, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether anything runs, waits or has not been answered."""
        return self._open > 0

    def run(
        self,
        work: Callable[[], Item],
        done: Callable[[Item], None],
        failed: Callable[[UserError], None] | None = None,
    ) -> None:
        """Call ``work`` in the pool, then ``done(result)`` or ``failed(error)`` in the window's thread."""
        if self._closed:
            return
        self._open += 1
        refuse = failed or self.failed.emit

        def attempt() -> None:
            try:
                result = work()
            except UserError as error:
                fault = error
            except Cancelled:
                self._finished.emit(lambda: None)
                return
            except Exception as error:  # a defect of ours must reach the user as text, never end the thread
                # The traceback can hold file names, which can be patients' names: only who debugs sees it.
                _LOG.error("fault in the pool: %s", type(error).__name__, exc_info=_LOG.isEnabledFor(logging.DEBUG))
                fault = UserError("The file could not be dealt with.", "Try another file.", type(error).__name__)
            else:
                self._finished.emit(lambda: done(result))
                return
            self._finished.emit(lambda: refuse(fault))

        self._pool.start(attempt)

    def close(self) -> None:
        """Wait for what runs, drop what waits; nothing is answered any more."""
        self._closed = True
        self._pool.clear()
        self._pool.waitForDone(_PATIENCE)

    def _answer(self, call: Callable[[], None]) -> None:
        if self._closed:
            return
        try:
            call()
        finally:
            self._open -= 1
            if not self._open:
                self.idle.emit()
