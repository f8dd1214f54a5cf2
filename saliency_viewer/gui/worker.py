"""The one thread that talks to the compute process: plans go in, events come out as signals."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import Protocol

from PySide6.QtCore import QObject, QThread, Signal

from saliency_viewer.domain import AnalysisResult
from saliency_viewer.pipeline import (
    Answered,
    AnyJob,
    ComputeProcess,
    Done,
    Failed,
    Progress,
    Started,
    Stopped,
)
from saliency_viewer.pipeline.messages import Event

_LOG = logging.getLogger(__name__)
_WAIT = 0.1  # seconds between two looks at whether the window closes


class Process(Protocol):
    """What the worker needs of a :class:`ComputeProcess`."""

    def start(self) -> None:
        """Spawn."""

    def submit(self, job: AnyJob) -> None:
        """Queue a job."""

    def cancel(self, job_id: int | str) -> None:
        """Stop a job."""

    def events(self, timeout: float = 0.1) -> list[Event]:
        """What happened."""

    def close(self) -> None:
        """End."""


class ComputeWorker(QThread):
    """Owns the compute process from start to end; signals arrive queued in the window's thread."""

    began = Signal(int)
    progressed = Signal(int, float, str)
    done = Signal(int, object)  # AnalysisResult
    answered = Signal(int, object)  # what came of an errand
    failed = Signal(int, str, str, str)
    stopped = Signal(int)

    def __init__(self, process: Process | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compute worker")
        self._process = process or ComputeProcess()
        self._closing = threading.Event()
        self._ids: set[int] = set()
        self._numbers = itertools.count(1)
        self._early: list[AnyJob] | None = []  # jobs from before the process was spawned
        self._early_lock = threading.Lock()

    def new_id(self) -> int:
        """An id that no job had before."""
        return next(self._numbers)

    def submit(self, job: AnyJob) -> None:
        """Hand over a job; from any thread. Never waits: spawning the process takes longer than a frame."""
        self._ids.add(int(job.id))
        with self._early_lock:
            if self._early is not None:
                self._early.append(job)
                return
        self._process.submit(job)

    def cancel(self, job_id: int) -> None:
        """Ask a job to stop; from any thread. ``stopped`` follows within about a second."""
        with self._early_lock:
            waiting = [job for job in self._early or [] if job.id == job_id]
            self._early = [job for job in self._early if job.id != job_id] if self._early is not None else None
        if waiting:
            self.stopped.emit(job_id)
        else:
            self._process.cancel(job_id)

    def close(self) -> None:
        """End the process and the thread, and wait for both."""
        self._closing.set()
        if self.isRunning():
            self.wait()

    def run(self) -> None:
        """The thread: nothing leaves it as an exception, since a slot that raises says nothing."""
        try:
            self._process.start()
            self._submit_early()
            while not self._closing.is_set():
                for event in self._process.events(_WAIT):
                    self._tell(event)
        except Exception as error:
            _LOG.exception("the compute worker ended")
            for job_id in sorted(self._ids):
                hint = "Save your work and start the program again."
                self.failed.emit(job_id, "Computing is not possible any more.", hint, type(error).__name__)
        finally:
            self._process.close()

    def _submit_early(self) -> None:
        with self._early_lock:  # held to the end, so that no later job overtakes these
            jobs, self._early = self._early or [], None
            for job in jobs:
                self._process.submit(job)

    def _tell(self, event: Event) -> None:
        number = int(event.job_id)
        if isinstance(event, Progress):
            self.progressed.emit(number, event.fraction, event.text)
        elif isinstance(event, Started):
            self.began.emit(number)
        else:
            self._ids.discard(number)
            self._tell_end(number, event)

    def _tell_end(self, number: int, event: Done | Answered | Failed | Stopped) -> None:
        if isinstance(event, Done):
            _look_through(event.result)
            self.done.emit(number, event.result)
        elif isinstance(event, Answered):
            self.answered.emit(number, event.answer)
        elif isinstance(event, Failed):
            self.failed.emit(number, event.message, event.hint, event.detail)
        else:
            self.stopped.emit(number)


def _look_through(result: AnalysisResult) -> None:
    """Have each map search itself here: of a large volume that would hold the window up."""
    for amap in result.maps:
        _ = amap.peak
