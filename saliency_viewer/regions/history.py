"""Undo and redo with bounded memory."""

from __future__ import annotations

from collections import deque

from saliency_viewer.regions.edits import Edit

HISTORY_BYTES = 200 * 2**20


class History:
    """Two stacks of edits; the oldest are forgotten when together they keep more than ``limit`` bytes."""

    def __init__(self, limit: int = HISTORY_BYTES) -> None:
        self._limit = limit
        self._done: deque[Edit] = deque()
        self._undone: list[Edit] = []

    @property
    def nbytes(self) -> int:
        """Memory that all edits keep."""
        return sum(edit.nbytes for edit in (*self._done, *self._undone))

    @property
    def last_done(self) -> Edit | None:
        """What undo would take back."""
        return self._done[-1] if self._done else None

    @property
    def last_undone(self) -> Edit | None:
        """What redo would do again."""
        return self._undone[-1] if self._undone else None

    def push(self, edit: Edit) -> None:
        """Note a new edit; what was undone before it can no longer be redone."""
        self._undone.clear()
        self._done.append(edit)
        while self._done and self.nbytes > self._limit:
            self._done.popleft()

    def take_done(self) -> Edit | None:
        """The edit to undo, now to be redone; None when there is none."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def take_undone(self) -> Edit | None:
        """The edit to redo, now to be undone; None when there is none."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]
