"""Opening one damaged file as the program would, and everything that may not happen meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seeds import SAID

SLOWEST = 5.0  # seconds
MOST_MEMORY = 2**29  # bytes that opening and loading may add to this process
MOST_DECODER = 2 * 2**30  # bytes that a decoder's process may take
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = [f"os.{name}" for name in ("mkdir", "rename", "link", "symlink", "chmod", "truncate")]


@dataclass
class Verdict:
    """What came of one file; ``failure`` is empty when nothing went wrong."""

    outcome: str
    seconds: float
    memory: int
    decoder: int
    failure: str = ""


class Watch:
    """Hears what is written, logged and printed by this process."""

    def __init__(self, allowed: Path, printed: Path) -> None:
        self._allowed, self._printed, self._seen = str(allowed.resolve()), printed, 0
        self.outside: list[str] = []
        self.log: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.log.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        logging.getLogger().setLevel(logging.DEBUG)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[0], str | bytes) and arguments[2] & _WRITES
        if opened or event in _CHANGES:
            self._wrote(arguments[0])

    def _wrote(self, path: Any) -> None:
        place = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if place and not os.path.realpath(place).startswith((self._allowed, "/dev/", "/proc/self")):
            self.outside.append(place)

    def printed(self) -> str:
        """What this process and its children wrote to their standard streams since the last call."""
        with self._printed.open("rb") as stream:
            stream.seek(self._seen)
            found = stream.read()
        self._seen += len(found)
        return found.decode(errors="replace")


def examine(path: Path, watch: Watch) -> Verdict:
    """Open, load and draw one file."""
    _forget_mark()
    before, gone = _status("self", "VmRSS"), _largest_gone()
    watch.log.clear()
    watch.outside.clear()
    said: list[str] = []
    start = time.perf_counter()
    try:
        outcome, failure = _use(path, said), ""
    except Exception:
        outcome, failure = "failed", traceback.format_exc(limit=-6)
    seconds = time.perf_counter() - start
    memory, decoder = max(0, _status("self", "VmHWM") - before), _decoders(gone)
    printed = watch.printed()
    said += [*watch.log, printed]
    for wrong, words in (
        (seconds > SLOWEST, f"took {seconds:.1f} s"),
        (memory > MOST_MEMORY, f"took {memory / 2**20:.0f} MiB"),
        (decoder > MOST_DECODER, f"a decoder took {decoder / 2**20:.0f} MiB"),
        (bool(watch.outside), f"wrote outside: {watch.outside}"),
        (bool(printed), f"printed: {printed[:600]}"),
        (any(word in text.lower() for word in SAID for text in said), "said the patient's name or number"),
    ):
        if wrong:
            failure = f"{failure}\n{words}".strip()
    return Verdict("failed" if failure else outcome, seconds, memory, decoder, failure)


def _use(path: Path, said: list[str]) -> str:
    """ "opened" or "refused"; every sentence that the program would show or log joins ``said``."""
    from saliency_viewer.errors import UserError
    from saliency_viewer.readers import open_study
    from saliency_viewer.render import to_grey

    try:
        study = open_study(path)
    except UserError as error:
        said += [error.message, error.hint, error.detail]
        return "refused"
    said += [item.reason for item in study.unreadable]
    opened = 0
    for series in study.series[:20]:
        said += series.warnings
        try:
            volume = series.load()
        except UserError as error:
            said += [error.message, error.hint, error.detail]
            continue
        said += volume.warnings
        middle = volume.array[volume.array.shape[0] // 2]
        if to_grey(middle, volume.default_window()).shape != middle.shape:
            raise ValueError("the grey picture has another shape")
        opened += 1
    return "opened" if opened else "refused on loading"


def _decoders(gone_before: int) -> int:
    """The most bytes that any decoder took; of those that are gone only a new record is known."""
    living = [_status(str(child), "VmHWM") for child in _children()]
    gone = _largest_gone()
    return max([gone if gone > gone_before else 0, *living])


def _largest_gone() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            yield from map(int, task.read_text().split())
        except OSError:
            continue


def _status(process: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def _forget_mark() -> None:
    """Let the high marks of this process and its decoders start again from what they hold."""
    for process in ("self", *_children()):
        with contextlib.suppress(OSError):
            Path(f"/proc/{process}/clear_refs").write_text("5")
