"""Threads beside the window that do what waits for them, and hold nobody up at the end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Lane:
    """A few threads that make calls in the order given.

    They are daemons, not Qt's: neither the window nor the program waits for a reader that cannot be stopped. A call
    must raise nothing.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._most = name, threads
        self._changed = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._started = self._running = 0
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether a call is being made."""
        return self._running > 0

    def start(self, call: Callable[[], None]) -> None:
        """Make ``call`` as soon as a thread is free; never after :meth:`close`."""
        with self._changed:
            if self._closed:
                return
            self._waiting.append(call)
            if self._started < min(self._most, self._running + len(self._waiting)):
                self._started += 1
                threading.Thread(target=self._work, name=f"{self._name} {self._started}", daemon=True).start()
            self._changed.notify()

    def close(self) -> None:
        """Drop what waits; the threads end with the call that they are making."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until no call is being made, but not for ever."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running, seconds)

    def _work(self) -> None:
        while (call := self._next()) is not None:
            try:
                call()
            finally:
                del call  # what it holds may be large, and the next may come late
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._running += 1
            return self._waiting.popleft()
