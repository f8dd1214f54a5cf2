"""What a long computation is given: a way to say how far it is, and a way to learn that it should stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from saliency_viewer.errors import Cancelled

Progress = Callable[[float, str], None]
CancelCheck = Callable[[], bool]


@dataclass
class RunContext:
    """Progress and cancellation of one piece of work.

    ``progress(fraction, text)`` receives fractions in 0..1 that never go back. ``cancel()`` is
    polled often (at every operator of a network), so it must be cheap and thread-safe.
    """

    progress: Progress | None = None
    cancel: CancelCheck | None = None
    _start: float = 0.0
    _stop: float = 1.0
    _furthest: list[float] = field(default_factory=lambda: [0.0])
    _about: str = ""

    def check(self) -> None:
        """Raise :class:`Cancelled` when the user asked to stop."""
        if self.cancel is not None and self.cancel():
            raise Cancelled

    def report(self, fraction: float, text: str = "") -> None:
        """Say that ``fraction`` (0..1) of this part is done; also checks for cancellation."""
        self.check()
        if self.progress is None:
            return
        clipped = min(max(fraction, 0.0), 1.0)
        overall = self._start + clipped * (self._stop - self._start)
        # One shared mark for all parts of one job: a progress bar that goes back is a lie.
        self._furthest[0] = max(self._furthest[0], overall)
        self.progress(self._furthest[0], " · ".join(words for words in (self._about, text) if words))

    def part(self, start: float, stop: float, about: str = "") -> RunContext:
        """A context whose 0..1 is the interval ``start``..``stop`` of this one; ``about`` goes before its words."""
        width = self._stop - self._start
        return RunContext(
            self.progress,
            self.cancel,
            self._start + start * width,
            self._start + stop * width,
            self._furthest,
            about or self._about,
        )
