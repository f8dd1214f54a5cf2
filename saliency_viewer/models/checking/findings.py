"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from saliency_viewer.errors import UserError

_LEVELS = ("fault", "warning", "note")
Level = Literal["fault", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """A sentence about a package, and what to do.

    A ``fault`` makes the package useless or its answers wrong, a ``warning`` may, a ``note`` is worth knowing.
    """

    level: Level
    message: str
    hint: str = ""

    @property
    def text(self) -> str:
        """Both sentences."""
        return f"{self.message} {self.hint}".strip()


@dataclass
class Findings:
    """Collects what several checks find, each sentence once."""

    found: list[Finding] = field(default_factory=list)

    def add(self, level: Level, message: str, hint: str = "") -> None:
        """Note something."""
        finding = Finding(level, message, hint)
        if finding not in self.found:
            self.found.append(finding)

    def fault(self, error: UserError) -> None:
        """Note an error as a fault."""
        self.add("fault", error.message, error.hint)

    @property
    def sorted(self) -> tuple[Finding, ...]:
        """All of them, the gravest first."""
        return tuple(sorted(self.found, key=lambda finding: _LEVELS.index(finding.level)))

    @property
    def faulty(self) -> bool:
        """Whether there is any fault."""
        return any(finding.level == "fault" for finding in self.found)
