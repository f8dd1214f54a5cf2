"""Reading and writing files beside the window: a small pool whose answers arrive in the window's thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QThreadPool, Signal

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.runtime.context import Progress, RunContext

Item = TypeVar("Item")
_LOG = logging.getLogger(__name__)
_THREADS = 2
_PATIENCE = 5000  # ms for work that is under way when the window closes
_TOLD_EVERY = 0.05  # seconds; a folder of thousands of files must not flood the window with news


class Task:
    """A long piece of work in the pool, as the window's thread knows it."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether its answer is not wanted any more."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask it to stop at its next check; neither its news nor its result is told after this."""
        self._stop.set()


class FilePool(QObject):
    """Runs functions off the window's thread, in the order given as far as two threads allow."""

    failed = Signal(object)  # UserError without a taker of its own
    idle = Signal()
    _finished = Signal(object)  # a function to call in the window's thread
    _news = Signal(object)  # one that says how far something is, and ends nothing

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(_THREADS)
        self._open = 0
        self._closed = False
        self._tasks: set[Task] = set()
        self._finished.connect(self._answer, Qt.ConnectionType.QueuedConnection)
        self._news.connect(self._pass_on, Qt.ConnectionType.QueuedConnection)

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
        self.run_long(lambda _context: work(), done, failed=failed)

    def run_long(
        self,
        work: Callable[[RunContext], Item],
        done: Callable[[Item], None],
        *,
        progressed: Progress | None = None,
        stopped: Callable[[], None] | None = None,
        failed: Callable[[UserError], None] | None = None,
    ) -> Task:
        """As :meth:`run` for work that says how far it is and can be stopped.

        ``progressed(fraction, words)`` is called in the window's thread, at most every 50 ms; ``stopped()`` in place of
        ``done`` or ``failed`` once the task was cancelled.
        """
        task = Task()
        if self._closed:
            return task
        self._open += 1
        self._tasks.add(task)
        context = RunContext(self._teller(task, progressed) if progressed else None, lambda: task.cancelled)

        def attempt() -> None:
            answer = self._attempted(lambda: work(context), done, failed or self.failed.emit, task)
            self._finished.emit(lambda: self._end(task, answer, stopped))

        self._pool.start(attempt)
        return task

    def tell(self, call: Callable[[], None]) -> None:
        """Have ``call`` made in the window's thread; from any thread."""
        self._news.emit(call)

    def close(self) -> None:
        """Stop and wait for what runs, drop what waits; nothing is answered any more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        self._pool.clear()
        self._pool.waitForDone(_PATIENCE)

    @staticmethod
    def _attempted(
        work: Callable[[], Item], done: Callable[[Item], None], refuse: Callable[[UserError], None], task: Task
    ) -> Callable[[], None]:
        """Do the work; returns what is to be called in the window's thread. Lets nothing out of the pool's thread."""
        try:
            if task.cancelled:
                raise Cancelled
            result = work()
        except UserError as error:
            fault = error
        except Cancelled:
            task.cancel()
            return lambda: None
        except Exception as error:  # a defect of ours must reach the user as text, never end the thread
            # The traceback can hold file names, which can be patients' names: only who debugs sees it.
            _LOG.error("fault in the pool: %s", type(error).__name__, exc_info=_LOG.isEnabledFor(logging.DEBUG))
            fault = UserError("The file could not be dealt with.", "Try another file.", type(error).__name__)
        else:
            return lambda: done(result)
        return lambda: refuse(fault)

    def _teller(self, task: Task, progressed: Progress) -> Progress:
        last = [float("-inf")]

        def tell(fraction: float, words: str) -> None:
            now = time.monotonic()
            if now - last[0] >= _TOLD_EVERY:
                last[0] = now
                self._news.emit(lambda: None if task.cancelled else progressed(fraction, words))

        return tell

    def _end(self, task: Task, answer: Callable[[], None], stopped: Callable[[], None] | None) -> None:
        self._tasks.discard(task)
        if not task.cancelled:
            answer()
        elif stopped is not None:
            stopped()

    def _pass_on(self, call: Callable[[], None]) -> None:
        if not self._closed:
            call()

    def _answer(self, call: Callable[[], None]) -> None:
        if self._closed:
            return
        try:
            call()
        finally:
            self._open -= 1
            if not self._open:
                self.idle.emit()
