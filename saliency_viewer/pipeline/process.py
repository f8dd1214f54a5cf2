"""A process of its own for the network: the window never stutters, and a crash costs one message.

The process is spawned early and imports torch while the user still looks round. A killed or crashed
process gives :class:`Failed` for its job and is started again.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.compute_main import READY, CancelCell, Tools, serve
from saliency_viewer.pipeline.messages import (
    Answered,
    AnyJob,
    Done,
    Errand,
    Event,
    Failed,
    JobId,
    Stopped,
)
from saliency_viewer.pipeline.shared_arrays import (
    Parcel,
    new_prefix,
    remove_segments,
    remove_stale_segments,
    unpack,
)

PATIENCE = 1.0  # seconds between asking a job to stop and killing its process
_LOOK = 0.05  # seconds; how long a cancellation from another thread may wait to be noticed
_KILLED = -9


@dataclass
class _Running:
    job: AnyJob
    ordinal: int
    stop_asked: float | None = None


class ComputeProcess:
    """The parent's handle. One job runs at a time, the others wait in order.

    :meth:`start`, :meth:`events` and :meth:`close` belong to one thread (the worker's); :meth:`submit`
    and :meth:`cancel` may be called from any.
    """

    def __init__(self, tools: Tools | None = None) -> None:
        self._tools = tools or Tools()
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.RLock()
        self._waiting: deque[AnyJob] = deque()
        self._running: _Running | None = None
        self._pending: list[Event] = []
        self._ordinal = 0
        self._ready = False
        self._process: SpawnProcess | None = None
        self._connection: Connection[Any, Any] | None = None
        self._cancelled: CancelCell | None = None
        self._prefix = ""

    @property
    def pid(self) -> int | None:
        """Process id of the present compute process, None when there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def ready(self) -> bool:
        """Whether the process has finished importing."""
        return self._ready

    def start(self) -> None:
        """Spawn the process; returns at once."""
        with self._lock:
            if self._process is not None:
                return
            remove_stale_segments()
            ours, theirs = self._context.Pipe()
            self._cancelled = self._context.RawValue("q", 0)
            self._prefix = new_prefix()
            self._process = self._context.Process(
                target=serve,
                args=(theirs, self._cancelled, self._prefix, self._tools),
                name="saliency-compute",
                daemon=True,
            )
            self._process.start()
            theirs.close()  # else the end of the process would not be seen here
            self._connection = ours
            self._ready = False

    def submit(self, job: AnyJob) -> None:
        """Queue a job; its events come from :meth:`events`."""
        with self._lock:
            self._waiting.append(job)
            self._send_next()

    def cancel(self, job_id: JobId) -> None:
        """Ask a job to stop; :class:`Stopped` follows, after a second at the latest. An unknown id is ignored."""
        with self._lock:
            for job in [waiting for waiting in self._waiting if waiting.id == job_id]:
                self._waiting.remove(job)
                self._pending.append(Stopped(job.id))
            running = self._running
            if running is not None and running.job.id == job_id and running.stop_asked is None:
                running.stop_asked = time.monotonic()
                if self._cancelled is not None:
                    self._cancelled.value = running.ordinal

    def events(self, timeout: float = 0.1) -> list[Event]:
        """What happened since the last call; waits up to ``timeout`` seconds for the first event."""
        deadline = time.monotonic() + timeout
        while True:
            self._look(min(max(deadline - time.monotonic(), 0.0), _LOOK))
            with self._lock:
                found, self._pending = self._pending, []
            if found or time.monotonic() >= deadline:
                return found

    def close(self) -> None:
        """End the process and whatever it computes."""
        with self._lock:
            self._waiting.clear()
            self._running = None
            self._end_process()

    def _look(self, wait: float) -> None:
        """Wait for one sign of life or death and deal with it."""
        with self._lock:
            process, connection = self._process, self._connection
            if process is None and self._waiting:
                self.start()
                return
        if process is None or connection is None:
            time.sleep(wait)
            return
        connections.wait([connection, process.sentinel], wait)
        with self._lock:
            if self._process is not process:
                return
            alive = self._receive_all(connection) and process.is_alive()
            if not alive:
                self._receive_all(connection)
                self._bury(process)
            elif self._overdue():
                self._kill_for_stop()
            self._send_next()

    def _receive_all(self, connection: Connection[Any, Any]) -> bool:
        """Take every waiting message; False at the end of the stream."""
        try:
            while connection.poll():
                self._take(connection.recv())
        except (EOFError, OSError):
            return False
        return True

    def _take(self, message: Any) -> None:
        if message == READY:
            self._ready = True
        elif isinstance(message, Parcel):
            self._finish(self._unpacked(message))
        elif isinstance(message, (Failed, Stopped)):
            self._finish(message)
        else:
            self._pending.append(message)

    def _unpacked(self, parcel: Parcel) -> Done | Answered:
        if self._running is None:
            raise RuntimeError("a result came without a job")
        result = unpack(parcel)
        if parcel.segment and self._connection is not None:
            self._connection.send(parcel.segment)
        job = self._running.job
        return Answered(job.id, result) if isinstance(job, Errand) else Done(job.id, result)

    def _finish(self, event: Event) -> None:
        running, self._running = self._running, None
        # Who asked to stop must not get a result that was on its way.
        stopped = running is not None and running.stop_asked is not None
        self._pending.append(Stopped(event.job_id) if stopped else event)

    def _send_next(self) -> None:
        if self._running is not None or not self._ready or not self._waiting or self._connection is None:
            return
        job = self._waiting.popleft()
        self._ordinal += 1
        self._running = _Running(job, self._ordinal)
        try:
            self._connection.send((self._ordinal, job))
        except OSError:
            return  # the process has just died; the next look finds out and reports this job

    def _overdue(self) -> bool:
        running = self._running
        return (
            running is not None and running.stop_asked is not None and time.monotonic() - running.stop_asked > PATIENCE
        )

    def _kill_for_stop(self) -> None:
        running, self._running = self._running, None
        self._end_process()
        if running is not None:
            self._pending.append(Stopped(running.job.id))
        self.start()

    def _bury(self, process: SpawnProcess) -> None:
        """Report the job of a process that died by itself, and start a new one."""
        process.join(PATIENCE)  # its pipe can end a moment before its exit code is known
        was_ready, code = self._ready, process.exitcode
        self._end_process()
        running, self._running = self._running, None
        if running is not None:
            failed = _death_notice(code)
            event = Failed(running.job.id, failed.message, failed.hint, failed.detail)
            self._pending.append(event if running.stop_asked is None else Stopped(running.job.id))
        if was_ready:
            self.start()
            return
        # It cannot even start: trying for ever would only heat the room.
        while self._waiting:
            self._pending.append(
                Failed(
                    self._waiting.popleft().id,
                    "The compute process could not be started.",
                    "Run saliency-viewer --self-test to see what is missing.",
                    f"exit code {code}",
                )
            )

    def _end_process(self) -> None:
        process, connection = self._process, self._connection
        self._process, self._connection, self._cancelled, self._ready = None, None, None, False
        if process is not None:
            process.kill()
            process.join()
            with suppress(ValueError):  # somebody else has reaped it, and nobody can tell any more that it has ended
                process.close()
        if connection is not None:
            connection.close()
        if self._prefix:
            remove_segments(self._prefix)


def _death_notice(code: int | None) -> UserError:
    if code == _KILLED:
        return UserError(
            "The computation was ended by the system, most likely because memory ran out.",
            "Choose fewer slices or methods, or close other programs.",
            f"exit code {code}",
        )
    return UserError(
        "The computation ended unexpectedly.",
        "Try again; report this with the technical detail when it happens again.",
        f"exit code {code}",
    )
