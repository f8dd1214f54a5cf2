"""How long a worker may take: counted in what it computes, since a busy computer lets it wait."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

_MOST = 8.0  # times the seconds, on the wall: a processor is shared, a disk slow
_LEAST_STEP = 0.05  # of the seconds, between two looks


class Spent(NamedTuple):
    """What a process has computed so far, and whether it waits for something other than a processor or a disk."""

    seconds: float
    sleeps: bool


class Patience:
    """While it is open, ``expire`` is called once the process has computed for so many seconds.

    A process that sleeps, or whose use of the processor the system does not tell (anywhere but on Linux), gets so many
    seconds on the wall; any other at most eight times as many.
    """

    def __init__(self, process: int, seconds: float, expire: Callable[[], None]) -> None:
        self._process, self._seconds, self._expire = process, seconds, expire
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Patience:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = spent(self._process)
        waited, step = 0.0, self._seconds
        while not self._over.wait(step):
            waited += step
            now = spent(self._process)
            left = 0.0 if before is None or now is None else self._seconds - (now.seconds - before.seconds)
            if left <= 0 or now is None or now.sleeps or waited >= _MOST * self._seconds:
                self._expire()
                return
            step = max(left, _LEAST_STEP * self._seconds)


def spent(process: int) -> Spent | None:
    """What a process used so far; None where the system does not tell, or it is gone."""
    try:
        # proc(5): after the name in parentheses the state, and as the 12th and 13th fields from there the clock ticks.
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return Spent(ticks / os.sysconf("SC_CLK_TCK"), fields[0] == "S")
    except (OSError, IndexError, ValueError, AttributeError):
        return None
