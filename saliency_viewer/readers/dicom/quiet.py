"""Keeping pydicom's remarks to itself: they name files, whose names may be a patient's."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


class _Silence:
    """Counts who is inside: the first one silences, the last one restores, whatever the threads' order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._undo = ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside > 1:
                return
            logger = logging.getLogger("pydicom")
            self._undo = ExitStack()
            self._undo.callback(setattr, logger, "disabled", logger.disabled)
            logger.disabled = True
            self._undo.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._undo.close()


_SILENCE = _Silence()


@contextmanager
def quietly() -> Iterator[None]:
    """No log record and no warning of pydicom inside; safe in several threads at once."""
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()
