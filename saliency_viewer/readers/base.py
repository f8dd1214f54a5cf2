"""What every reader is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from saliency_viewer.domain import Study
from saliency_viewer.runtime.context import RunContext


class Reader(Protocol):
    """One family of formats."""

    name: str

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` looks like one of its files or folders; reads at most a few bytes."""

    def open(self, path: Path, context: RunContext) -> Study:
        """Describe what is there, pixels unread. Raises :class:`UserError` when nothing can be used."""
