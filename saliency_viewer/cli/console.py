"""Talking to a terminal or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from saliency_viewer.errors import UserError

PROGRESS_MARK = "progress"
_WIDTH = 30
_INTERVAL = 0.1  # seconds between two drawings of the bar, or two lines
_CERTAIN = 0.02  # below this share done, a remaining time would be a guess


def say(text: str = "") -> None:
    """One line on standard output."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def complain_about(error: UserError) -> None:
    """A user's error: what happened, and what to do."""
    complain(f"saliency-viewer: {error}")


class ProgressLines:
    """Lines on standard output, ``progress<tab>0.1250<tab>words``, for a program that reads along."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = float("-inf")

    def __call__(self, fraction: float, text: str) -> None:
        """Say it, at once but not more often than it can be drawn: who reads along waits for it."""
        now = self._clock()
        if now - self._said < _INTERVAL and fraction < 1.0:
            return
        self._said = now
        sys.stdout.write(f"{PROGRESS_MARK}\t{fraction:.4f}\t{text}\n")
        sys.stdout.flush()

    def clear(self) -> None:
        """Nothing stands on the line."""


class ProgressBar:
    """A line on standard error with share, remaining time and what is being done; silent without a terminal."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._drawn = float("-inf")
        self._shown = sys.stderr.isatty()
        self._dirty = False

    def __call__(self, fraction: float, text: str) -> None:
        """Draw; made to be a :class:`RunContext`'s progress function."""
        now = self._clock()
        if not self._shown or (now - self._drawn < _INTERVAL and fraction < 1.0):
            return
        self._drawn = now
        self._dirty = True
        sys.stderr.write(f"\r\x1b[K{self.line(fraction, text)}")
        sys.stderr.flush()

    def line(self, fraction: float, text: str) -> str:
        """The line for ``fraction`` done."""
        filled = int(fraction * _WIDTH)
        bar = "#" * filled + "." * (_WIDTH - filled)
        elapsed = self._clock() - self._start
        left = f", {duration(elapsed / fraction - elapsed)} left" if _CERTAIN < fraction < 1.0 else ""
        return f"[{bar}] {fraction:4.0%}{left}  {text}"

    def clear(self) -> None:
        """Take the line away, so that other text can stand there."""
        if self._dirty:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._dirty = False


def duration(seconds: float) -> str:
    """``45 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
