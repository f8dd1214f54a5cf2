"""Work in processes of its own, for libraries that crash, hang or take all memory on damaged input.

A worker is this program started again with another argument. It reads one JSON request a line from its standard
input, and answers each with one JSON line, followed by as many raw bytes as that line's ``bytes`` says. It ends when
its input does, so it never outlives its parent.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saliency_viewer
from saliency_viewer.runtime.patience import Patience

DECODE_WORKER = "--decode-worker"  # the argument that makes this program a decoder of pictures
_MOST_IDLE = 2
_START = 60.0  # seconds that a cold disk may take to start a worker


@dataclass(frozen=True)
class Task:
    """One request, JSON-ready, and the seconds of computing after which its worker is killed.

    ``key`` comes back with the answer.
    """

    key: Any
    request: dict[str, Any]
    seconds: float


@dataclass(frozen=True, eq=False)
class Answer:
    """A worker's JSON line and the bytes behind it.

    ``failure`` is "crashed", "timeout" or "unavailable" (no process could be started) when there is none.
    """

    line: dict[str, Any]
    data: bytearray
    failure: str = ""


class Workers:
    """Up to ``count`` processes that answer the same kind of request. Safe in several threads."""

    def __init__(self, argument: str, count: int) -> None:
        self._argument, self._count = argument, max(1, count)
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self._count)
        atexit.register(self.close)

    def answers(self, tasks: Sequence[Task], check: Callable[[], None]) -> Iterator[tuple[Task, Answer]]:
        """Every task with its answer, in the order in which they end.

        ``check`` is called often and may raise, which kills the workers that are busy. A task whose worker crashed is
        tried once more in a new one. Where no process can be started, the answers are failures.
        """
        waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        # Few answers are kept, so that workers who are faster than the reader do not fill the memory.
        done: queue.Queue[tuple[Task, Answer]] = queue.Queue(2 * self._count)
        busy = [_Runner(self, waiting, done) for _ in range(min(self._count, len(tasks)))]
        started: list[_Runner] = []
        left = len(tasks)
        try:
            for one in busy:
                one.start()
                started.append(one)
            while left:
                found = self._next(done, check)
                left -= 1
                yield found
        finally:
            if left:  # somebody lost interest; else the runners end by themselves, and their workers are kept
                for one in started:
                    one.stop()
            while any(one.is_alive() for one in started):
                with suppress(queue.Empty):
                    done.get(timeout=0.01)

    def _next(self, done: queue.Queue[tuple[Task, Answer]], check: Callable[[], None]) -> tuple[Task, Answer]:
        while True:
            check()
            with suppress(queue.Empty):
                return done.get(timeout=0.05)

    def warm_up(self) -> None:
        """Start one worker before anybody asks."""
        with suppress(OSError):
            self.give_back(self.take())

    def enter(self, seconds: float) -> bool:
        """Wait for one of ``count`` places; :meth:`leave` gives it back."""
        return self._places.acquire(timeout=seconds)

    def leave(self) -> None:
        """Give a place back."""
        self._places.release()

    def take(self) -> _Worker:
        """An idle worker, or a new one."""
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.alive:
                    return worker
                worker.close()
        return _Worker(self._argument)

    def give_back(self, worker: _Worker) -> None:
        """Keep a worker for the next task; few, since each holds the decoders' libraries."""
        with self._lock:
            if worker.alive and len(self._idle) < _MOST_IDLE:
                self._idle.append(worker)
                return
        worker.close()

    def close(self) -> None:
        """End all idle workers."""
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()


class _Runner(threading.Thread):
    """Takes tasks from a queue and gives each to its worker."""

    def __init__(
        self, workers: Workers, waiting: queue.SimpleQueue[Task], done: queue.Queue[tuple[Task, Answer]]
    ) -> None:
        super().__init__(name="decoder", daemon=True)
        self._workers, self._waiting, self._done = workers, waiting, done
        self._stopped = threading.Event()
        self._worker: _Worker | None = None

    def stop(self) -> None:
        """Take no more tasks, and give the present one up."""
        self._stopped.set()
        worker = self._worker
        if worker is not None:
            worker.kill()

    def run(self) -> None:
        while not self._workers.enter(0.1):
            if self._stopped.is_set():
                return
        try:
            self._serve()
        finally:
            worker, self._worker = self._worker, None
            if worker is not None:
                self._workers.give_back(worker)
            self._workers.leave()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                task = self._waiting.get_nowait()
            except queue.Empty:
                return
            answer = self._ask(task)
            if answer.failure == "crashed" and not self._stopped.is_set():
                answer = self._ask(task)
            self._done.put((task, answer))

    def _ask(self, task: Task) -> Answer:
        """An answer whatever happens: whoever waits for it would wait for ever."""
        try:
            worker = self._worker
            if worker is None or not worker.alive:
                if worker is not None:
                    worker.close()
                self._worker = worker = self._workers.take()
            if self._stopped.is_set():
                worker.kill()
            return worker.ask(task.request, task.seconds)
        except Exception:  # no process, no thread, no memory: all of them mean that nobody decodes
            return Answer({}, bytearray(), "unavailable")


class _Worker:
    """One process."""

    def __init__(self, argument: str) -> None:
        frozen = getattr(sys, "frozen", False)
        command = [sys.executable, argument] if frozen else [sys.executable, "-P", "-m", "saliency_viewer", argument]
        root = str(Path(saliency_viewer.__file__).parent.parent)
        paths = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
        # Its temporary files go with it, however it ends.
        self._scratch = tempfile.mkdtemp(prefix="saliency-viewer-worker-")
        scratch = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), self._scratch)
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # decoders write names of files there
                env={**os.environ, **scratch, "PYTHONPATH": paths},
            )
        except OSError:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        self._ready = False
        self._timed_out = False
        self._dead = False

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._dead and self._process.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> Answer:
        """Its answer; killed after ``seconds`` of computing. A path in the request never stands in a command line."""
        try:
            if not self._ready:
                self._within(_START, self._read_line)
                self._ready = True
            answer: Answer = self._within(seconds, lambda: self._exchange(request))
            return answer
        except Exception:  # no memory for the answer, say: whoever asked would wait for ever for none
            self.kill()
            return Answer({}, bytearray(), "timeout" if self._timed_out else "crashed")

    def _within(self, seconds: float, action: Callable[[], Any]) -> Any:
        with Patience(self._process.pid, seconds, self._expire):
            return action()

    def _expire(self) -> None:
        self._timed_out = True
        self.kill()

    def _exchange(self, request: dict[str, Any]) -> Answer:
        stream = self._process.stdin
        if stream is None:
            raise EOFError
        stream.write(json.dumps(request).encode() + b"\n")
        stream.flush()
        line = self._read_line()
        return Answer(line, self._read(int(line.get("bytes", 0))))

    def _read_line(self) -> dict[str, Any]:
        raw = self._process.stdout.readline() if self._process.stdout is not None else b""
        if not raw:
            raise EOFError
        found: dict[str, Any] = json.loads(raw)
        return found

    def _read(self, count: int) -> bytearray:
        data = bytearray(count)
        view, done = memoryview(data), 0
        while done < count:
            got = self._process.stdout.readinto(view[done:]) if self._process.stdout is not None else 0  # type: ignore[attr-defined]
            if not got:
                raise EOFError
            done += got
        return data

    def kill(self) -> None:
        """End it now; it may take a moment to be gone, but is asked no more."""
        self._dead = True
        with suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End it, and wait until it is gone."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
