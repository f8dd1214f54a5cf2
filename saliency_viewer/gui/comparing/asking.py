"""One round of questions to the models of a comparison."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from saliency_viewer.gui.comparing.state import Entry
from saliency_viewer.gui.facts import Case


@dataclass
class Run:
    """Models that are still to be asked; ``asked`` is the one that computes, under ``number``."""

    case: Case
    queue: list[Entry]
    number: int = 0
    asked: Entry | None = None
    waits_for_consent: bool = False
    total: int = field(init=False)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.total = len(self.queue)

    @property
    def finished(self) -> int:
        """How many have answered."""
        return self.total - len(self.queue) - (self.asked is not None)
