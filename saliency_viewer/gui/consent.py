"""Whether a model package may run the Python file that it brings."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from PySide6.QtCore import QObject, Signal, SignalInstance

from saliency_viewer.errors import UserError
from saliency_viewer.gui.intents import Intents
from saliency_viewer.models import OwnCode
from saliency_viewer.session import load_settings, save_settings


class Consent(QObject):
    """Knows the SHA-256 digests that the user allowed, for this session or for good.

    Several files are asked about one after another, each with its own digest.
    ``everything`` is the command line's ``--trust-code``: whatever this session's packages bring may run.
    """

    wanted = Signal(object)  # OwnCode that somebody must be asked about
    given = Signal(str)  # the digest that was allowed
    refused = Signal(str)

    def __init__(self, intents: Intents, parent: QObject, everything: bool = False) -> None:
        super().__init__(parent)
        self.everything = everything
        self._here: set[str] = set()
        self._asked: OwnCode | None = None  # what the user is looking at
        self._waiting: list[OwnCode] = []
        intents.allow_code.connect(self.allow)
        intents.refuse_code.connect(self.refuse)

    def covers(self, code: OwnCode | None) -> bool:
        """Whether ``code`` may run; there is nothing to ask about where there is none."""
        if code is None or self.everything or code.digest in self._here:
            return True
        return code.digest in load_settings().trusted_code

    def digests(self, code: OwnCode | None) -> frozenset[str]:
        """What is allowed to run for a package with ``code``: these very bytes, and no others."""
        return frozenset() if code is None or not self.covers(code) else frozenset({code.digest})

    def ask(self, code: OwnCode) -> None:
        """Have the user asked, once about each file, as soon as the questions before are answered."""
        known = [one.digest for one in (*self._waiting, *([self._asked] if self._asked is not None else []))]
        if code.digest not in known:
            self._waiting.append(code)
            self._ask_next()

    def withdraw(self, codes: Iterable[OwnCode | None]) -> None:
        """Nobody wants an answer about these any more; a question that is on the screen stays."""
        gone = {code.digest for code in codes if code is not None}
        self._waiting = [one for one in self._waiting if one.digest not in gone]

    def allow(self, digest: str, always: bool) -> None:
        """The user's yes; ``always`` remembers it in the settings."""
        self._here.add(digest)
        if always:
            settings = load_settings()
            digests = tuple(dict.fromkeys((*settings.trusted_code, digest)))
            with suppress(UserError):  # a disk that refuses: the next session asks again
                save_settings(replace(settings, trusted_code=digests))
        self._answered(digest, self.given)

    def refuse(self, digest: str) -> None:
        """The user's no to the question on the screen, which holds until the next one about this file."""
        if self._asked is not None and self._asked.digest == digest:
            self._answered(digest, self.refused)

    def _answered(self, digest: str, told: SignalInstance) -> None:
        self._waiting = [one for one in self._waiting if one.digest != digest]
        if self._asked is not None and self._asked.digest == digest:
            self._asked = None
        told.emit(digest)
        self._ask_next()

    def _ask_next(self) -> None:
        if self._asked is None and self._waiting:
            self._asked = self._waiting.pop(0)
            self.wanted.emit(self._asked)
