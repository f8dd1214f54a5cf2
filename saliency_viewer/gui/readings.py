"""Everything that is being read: each says how far it is, ends by itself, and can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from saliency_viewer.errors import UserError
from saliency_viewer.gui.facts import Loading
from saliency_viewer.gui.files import FilePool, LaneName, Task
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.runtime.context import RunContext

Item = TypeVar("Item")
_STOPPING = Loading("Stopping")


class Readings:
    """The tasks of the pool that the window tells about; the newest one's words are shown."""

    def __init__(self, state: DocumentState, pool: FilePool) -> None:
        self._state, self._pool = state, pool
        self._lines: dict[Task, Loading] = {}

    @property
    def busy(self) -> bool:
        """Whether anything is being read."""
        return bool(self._lines)

    def start(
        self,
        what: str,
        work: Callable[[RunContext], Item],
        done: Callable[[Item], None],
        failed: Callable[[UserError], None],
        *,
        ended: Callable[[], None] = lambda: None,
        lane: LaneName = "load",
        can_stop: bool = True,
    ) -> Task:
        """Read in the pool, in words and fractions that the window shows; ``ended`` comes before any answer."""

        def over() -> None:
            self._lines.pop(task)
            self._tell()
            ended()

        def answer(item: Item) -> None:
            over()
            done(item)

        def stopped() -> None:
            over()
            self._state.told.emit("Stopped reading. What was open is unchanged.")

        def refuse(error: UserError) -> None:
            over()
            failed(error)

        task = self._pool.run_long(
            work,
            answer,
            progressed=lambda fraction, words: self._put(task, Loading(words or what, fraction, can_stop)),
            stopped=stopped,
            failed=refuse,
            lane=lane,
        )
        self._put(task, Loading(what, None, can_stop))
        return task

    def wants(self, task: Task) -> bool:
        """Whether a task is still under way and was not stopped."""
        return task in self._lines and not task.cancelled

    def stop(self) -> None:
        """Stop them all; what was open before stays as it was."""
        for task in self._lines:
            task.cancel()
        self._lines = dict.fromkeys(self._lines, _STOPPING)
        self._tell()

    def _put(self, task: Task, line: Loading) -> None:
        self._lines[task] = line
        self._tell()

    def _tell(self) -> None:
        self._state.set_loading(next(reversed(self._lines.values()), Loading()))
