"""Reading and writing files beside the window: small pools whose answers arrive in the window's thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.gui.lanes import Lane
from saliency_viewer.runtime.context import Progress, RunContext

Item = TypeVar("Item")
_LOG = logging.getLogger(__name__)
# What takes minutes must hold up neither what takes moments nor work that is to be kept; writing is one thread, so that
# of two writes of one file the later one wins.
LaneName = Literal["quick", "load", "scan", "write"]
_THREADS: dict[LaneName, int] = {"quick": 2, "load": 2, "scan": 3, "write": 1}
_PATIENCE = 0.5  # seconds for readers that are at work when the window closes
_PATIENCE_WRITING = 5.0
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
    """Runs functions off the window's thread: in four lanes, in each in the order given as far as its threads allow."""

    failed = Signal(object)  # UserError without a taker of its own
    idle = Signal()
    _finished = Signal(object)  # a function to call in the window's thread
    _news = Signal(object)  # one that says how far something is, and ends nothing

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lanes = {name: Lane(name, threads) for name, threads in _THREADS.items()}
        self._open = 0
        self._closed = False
        self._telling = threading.Lock()  # nobody may emit once the window is closed: Qt's side may be gone by then
        self._tasks: set[Task] = set()
        self._finished.connect(self._answer, Qt.ConnectionType.QueuedConnection)
        self._news.connect(self._pass_on, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether anything runs, waits or has not been answered."""
        return self._open > 0

    @property
    def abandoned(self) -> bool:
        """Whether something still runs that did not end when the pool was closed."""
        return self._closed and any(lane.running for lane in self._lanes.values())

    def run(
        self,
        work: Callable[[], Item],
        done: Callable[[Item], None],
        failed: Callable[[UserError], None] | None = None,
        lane: LaneName = "quick",
    ) -> None:
        """Call ``work`` in the pool, then ``done(result)`` or ``failed(error)`` in the window's thread."""
        self.run_long(lambda _context: work(), done, failed=failed, lane=lane)

    def run_long(
        self,
        work: Callable[[RunContext], Item],
        done: Callable[[Item], None],
        *,
        progressed: Progress | None = None,
        stopped: Callable[[], None] | None = None,
        failed: Callable[[UserError], None] | None = None,
        lane: LaneName = "load",
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

        refuse = failed or self.failed.emit

        def attempt() -> None:
            answer = self._attempted(lambda: work(context), done, refuse, task)
            self._send(lambda: self._end(task, answer, stopped), ends=True)

        self._lanes[lane].start(attempt)
        return task

    def tell(self, call: Callable[[], None]) -> None:
        """Have ``call`` made in the window's thread; from any thread."""
        self._send(call)

    def close(self) -> None:
        """Stop what runs, drop what waits; nothing is answered any more.

        Waits for what is being written, and for a moment for readers; see :attr:`abandoned`.
        """
        with self._telling:
            self._closed = True
        for task in self._tasks:
            task.cancel()
        for lane in self._lanes.values():
            lane.close()
        until = time.monotonic() + _PATIENCE
        for name, lane in self._lanes.items():
            lane.wait(_PATIENCE_WRITING if name == "write" else max(until - time.monotonic(), 0.0))

    def _send(self, call: Callable[[], None], ends: bool = False) -> None:
        with self._telling:
            if not self._closed:
                (self._finished if ends else self._news).emit(call)

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
                self._send(lambda: None if task.cancelled else progressed(fraction, words))

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
