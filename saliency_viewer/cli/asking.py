"""Asking on a terminal what a command was not told; without one, taking the usual answer or naming the option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from saliency_viewer.cli.console import complain
from saliency_viewer.errors import UserError

Answer = TypeVar("Answer")


def is_terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


class Asker:
    """Asks one question after the other; ``usual`` takes every usual answer instead (``--yes``)."""

    def __init__(self, usual: bool) -> None:
        self.asks = not usual and is_terminal()
        self._usual = usual
        self._assumed: list[str] = []

    @property
    def assumed(self) -> str:
        """The usual answers that were taken unasked, by their options; empty when there are none."""
        return "; ".join(self._assumed)

    def ask(
        self, option: str, question: str, default: str | None, parse: Callable[[str], Answer], *, guess: bool = False
    ) -> Answer:
        """What the user says, as ``parse`` reads it; it raises :class:`UserError` for what it cannot read.

        Nobody there: ``default``. When there is none, or it is only a ``guess`` and nobody said ``--yes``,
        :class:`UserError` that names ``option``.
        """
        if not self.asks:
            if default is None or (guess and not self._usual):
                raise UserError(f"It is not known: {question[:1].lower()}{question[1:]}?", f"Say it with {option}.")
            if default:
                self._assumed.append(f"{option} {default}")
            return parse(default)
        while True:
            said = self._answer(question, default)
            if said or default is not None:
                try:
                    return parse(said or default or "")
                except UserError as error:
                    complain(f"  {error}")

    def yes(self, question: str) -> bool:
        """Whether the user says yes; nobody there: no."""
        return self.asks and self._answer(f"{question} (yes or no)", "no").lower() in ("y", "yes")

    @staticmethod
    def _answer(question: str, default: str | None) -> str:
        # The question goes where the terminal is, so that output can be piped away.
        sys.stderr.write(f"{question}{f' [{default}]' if default else ''}: ")
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise UserError("There was no answer.", "Give --yes to take the usual answers, or answer by options.")
        return line.strip()
