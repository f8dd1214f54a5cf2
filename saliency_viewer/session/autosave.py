"""Work that survives a crash: session files in the user's state folder, removed on a clean end."""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from saliency_viewer.runtime.files import make_folder, write_text
from saliency_viewer.runtime.folders import state_folder
from saliency_viewer.session.document import Document
from saliency_viewer.session.file import SUFFIX, save_session

DEFAULT_INTERVAL = 30.0  # seconds
_NUMBERS = itertools.count(1)  # a clock can give the same time twice


@dataclass(frozen=True)
class Recovery:
    """Work of a program that ended without saying so. ``saved`` is the time of its last autosave (POSIX)."""

    path: Path
    saved: float


class Autosave:
    """Keeps the latest document on disk. Free of Qt: the window calls :meth:`tick` from a timer.

    Parameters
    ----------
    folder:
        Where to write; the user's state folder by default.
    interval:
        Seconds between two writes. 0 writes at every change.
    path:
        The file, when it is that of work which was recovered and goes on; else one of its own.
    """

    def __init__(
        self, folder: Path | None = None, interval: float = DEFAULT_INTERVAL, path: Path | None = None
    ) -> None:
        self._folder = folder or default_folder()
        self._interval = interval
        self._path = path or self._folder / f"{os.getpid()}-{time.time_ns():x}-{next(_NUMBERS)}{SUFFIX}"
        self._unsaved: Document | None = None
        self._last = float("-inf")

    @property
    def path(self) -> Path:
        """The file that holds this program's work."""
        return self._path

    @property
    def due(self) -> bool:
        """Whether the interval since the last write is over."""
        return time.monotonic() - self._last >= self._interval

    def beside(self, path: Path | None = None) -> Autosave:
        """Another one with the same folder and interval, for another document."""
        return Autosave(self._folder, self._interval, path)

    def changed(self, document: Document) -> None:
        """Remember ``document``; written at once when the interval is over. Raises :class:`UserError`."""
        self._unsaved = document
        self.tick()

    def tick(self) -> None:
        """Write what is unsaved when the interval is over. Raises :class:`UserError` when the disk refuses."""
        if self._unsaved is not None and self.due:
            self.flush()

    def flush(self) -> None:
        """Write what is unsaved now."""
        if self._unsaved is None:
            return
        self._last = time.monotonic()
        make_folder(self._path.parent)
        self._path.parent.chmod(0o700)
        write_text(_owner_file(self._path), json.dumps({"pid": os.getpid(), "started": _start_time(os.getpid())}))
        save_session(self._unsaved, self._path)
        self._unsaved = None

    def discard(self) -> None:
        """Remove the file: the work was saved, or the user does not want it."""
        self._unsaved = None
        discard_recovery(Recovery(self._path, 0.0))


def default_folder() -> Path:
    """Where autosaved work lies."""
    return state_folder() / "autosave"


def recoverable(folder: Path | None = None) -> tuple[Recovery, ...]:
    """Autosaved work whose program is not running any more, newest first."""
    root = folder or default_folder()
    files = [path for path in root.glob(f"*{SUFFIX}") if not _owner_runs(path)] if root.is_dir() else []
    found = [Recovery(path, path.stat().st_mtime) for path in files]
    return tuple(sorted(found, key=lambda recovery: -recovery.saved))


def discard_recovery(recovery: Recovery) -> None:
    """Delete autosaved work that was recovered or is not wanted."""
    recovery.path.unlink(missing_ok=True)
    _owner_file(recovery.path).unlink(missing_ok=True)


def _owner_file(path: Path) -> Path:
    return path.with_suffix(".owner.json")


def _owner_runs(path: Path) -> bool:
    try:
        owner = json.loads(_owner_file(path).read_text(encoding="utf-8"))
        pid, started = int(owner["pid"]), str(owner["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return _is_running(pid) and _start_time(pid) == started


def _is_running(pid: int) -> bool:
    if os.name == "nt":
        return False  # signal 0 would end a process there; an autosave of a running program is offered then
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_time(pid: int) -> str:
    """The kernel's start time of a process, since process ids are used again; empty where unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
