"""The other side of :class:`ComputeProcess`: what runs in the spawned process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection as connections
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Protocol

from saliency_viewer.domain import AnalysisPlan
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.pipeline.analysis import run_plan
from saliency_viewer.pipeline.messages import AnyJob, Errand, Failed, Progress, Started, Stopped
from saliency_viewer.pipeline.privacy import unexpected
from saliency_viewer.pipeline.services import Services
from saliency_viewer.pipeline.shared_arrays import pack
from saliency_viewer.pipeline.threads import prepare_torch
from saliency_viewer.runtime.context import RunContext

NICENESS = 10
_PROGRESS_INTERVAL = 0.05  # seconds; more messages would only keep the window busy
READY = "ready"


Work = Callable[[AnalysisPlan, Services, RunContext], Any]


class CancelCell(Protocol):
    """A shared number: the ordinal of the job to stop. Reading it takes no lock, so a killed process leaves none."""

    value: int


def warm_up() -> None:
    """Import what takes seconds, load nothing."""
    import torch

    import saliency_viewer.attribution
    import saliency_viewer.models
    import saliency_viewer.readers  # noqa: F401

    torch.set_num_threads(1)


@dataclass(frozen=True)
class Tools:
    """What the process does: ``warm_up`` once, then ``work`` for each plan; errands know themselves what to do.

    Both are importable functions.
    """

    work: Work = run_plan
    warm_up: Callable[[], None] = warm_up


def serve(connection: Connection[Any, Any], cancelled: CancelCell, prefix: str, tools: Tools) -> None:
    """Run jobs until the other end closes. Messages in: (ordinal, Job) or a segment's name to release."""
    _be_a_good_child()
    prepare_torch()
    services = Services()
    tools.warm_up()
    connection.send(READY)
    open_segments: dict[str, SharedMemory] = {}
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if isinstance(message, str):
            open_segments.pop(message).close()
            continue
        ordinal, job = message
        outcome = _run(tools.work, job, ordinal, services, connection, cancelled)
        if isinstance(outcome, (Failed, Stopped)):
            connection.send(outcome)
            continue
        parcel, segment = pack(outcome, f"{prefix}-{ordinal}")
        if segment is not None:
            open_segments[parcel.segment] = segment
        connection.send(parcel)


def _be_a_good_child() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the parent's to handle
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threading.Thread(target=_leave_with_parent, name="parent-watch", daemon=True).start()


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connections.wait([parent.sentinel])
        os._exit(1)


def _run(
    work: Work,
    job: AnyJob,
    ordinal: int,
    services: Services,
    connection: Connection[Any, Any],
    cancelled: CancelCell,
) -> Any:
    """The job's result, :class:`Failed` or :class:`Stopped`."""
    connection.send(Started(job.id))
    services.trust_code = job.allowed_code
    context = RunContext(_Reporter(connection, job), lambda: cancelled.value == ordinal)
    try:
        return job.request.run(services, context) if isinstance(job, Errand) else work(job.plan, services, context)
    except Cancelled:
        return Stopped(job.id)
    except UserError as error:
        return Failed(job.id, error.message, error.hint, error.detail)
    except MemoryError:
        return Failed(job.id, "There was not enough memory for this analysis.", "Choose fewer slices or methods.")
    except Exception as error:  # a defect of ours must reach the user as text, and must not end the process
        failure = unexpected(error, job.paths)
        return Failed(job.id, failure.message, failure.hint, failure.detail)


class _Reporter:
    """Sends progress, not more often than a window can draw it."""

    def __init__(self, connection: Connection[Any, Any], job: AnyJob) -> None:
        self._connection = connection
        self._job = job
        self._last = 0.0

    def __call__(self, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= _PROGRESS_INTERVAL or fraction >= 1.0:
            self._last = now
            self._connection.send(Progress(self._job.id, fraction, text))
