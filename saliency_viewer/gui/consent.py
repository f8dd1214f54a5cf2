"""Whether a model package may run the Python file that it brings."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from saliency_viewer.errors import UserError
from saliency_viewer.gui.intents import Intents
from saliency_viewer.models import OwnCode
from saliency_viewer.session import load_settings, save_settings


class Consent(QObject):
    """Knows the SHA-256 digests that the user allowed, for this session or for good.

    ``everything`` is the command line's ``--trust-code``: whatever this session's packages bring may run.
    """

    wanted = Signal(object)  # OwnCode that somebody must be asked about
    given = Signal()
    refused = Signal()

    def __init__(self, intents: Intents, parent: QObject, everything: bool = False) -> None:
        super().__init__(parent)
        self.everything = everything
        self._here: set[str] = set()
        self._asking = False
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
        """Have the user asked, once at a time."""
        if not self._asking:
            self._asking = True
            self.wanted.emit(code)

    def allow(self, digest: str, always: bool) -> None:
        """The user's yes; ``always`` remembers it in the settings."""
        self._asking = False
        self._here.add(digest)
        if always:
            settings = load_settings()
            digests = tuple(dict.fromkeys((*settings.trusted_code, digest)))
            with suppress(UserError):  # a disk that refuses: the next session asks again
                save_settings(replace(settings, trusted_code=digests))
        self.given.emit()

    def refuse(self) -> None:
        """The user's no, which holds until the next question."""
        self._asking = False
        self.refused.emit()
