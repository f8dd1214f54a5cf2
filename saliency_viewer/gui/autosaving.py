"""Work that would survive a crash: an autosave for each case with unsaved work, gone once that is saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from saliency_viewer.errors import UserError
from saliency_viewer.gui.documents import document_of, signed
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.session import Autosave

_TICK = 5000  # ms between two looks at whether there is something to autosave


@dataclass(eq=False)
class _Kept:
    """The autosave of one case, and after how many edits it was written."""

    file: Autosave
    edits: int = -1
    writing: bool = False


class Autosaving(QObject):
    """Looks every few seconds which cases have edits that are on no disk, and has those written."""

    def __init__(self, state: DocumentState, pool: FilePool, autosave: Autosave, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._pool, self._first = state, pool, autosave
        self._kept: dict[Case, _Kept] = {}
        self._unwanted: set[Autosave] = set()  # about to be removed
        self._failing = False
        state.saved_changed.connect(self._look_round)
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK)
        self._timer.timeout.connect(self.tick)
        self._timer.start()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where each case with unsaved work is kept, in the order in which the work began."""
        return tuple(kept.file.path for kept in self._kept.values())

    def tick(self) -> None:
        """Write what has changed since it was last written, and not too lately."""
        for case in self._state.cases:
            kept = self._kept.get(case)
            if kept is not None and kept.edits != case.edits and not kept.writing and kept.file.due:
                self._write(case, kept)

    def forget(self) -> None:
        """The work is saved or not wanted: remove what was kept."""
        self._timer.stop()
        for file in (*self._unwanted, *(kept.file for kept in self._kept.values())):
            file.discard()

    def _look_round(self) -> None:
        for case in self._state.cases:
            if case.modified and case not in self._kept:
                self._kept[case] = _Kept(self._first.beside(case.recovery))
                case.recovery = None
            elif not case.modified and case in self._kept:
                self._remove(self._kept.pop(case).file)

    def _remove(self, file: Autosave) -> None:
        self._unwanted.add(file)
        # In the lane of what is written, so behind an autosave that may still be under way.
        self._pool.run(file.discard, lambda _: self._unwanted.discard(file), lane="write")

    def _write(self, case: Case, kept: _Kept) -> None:
        document, volume, edits = document_of(case, self._state.model_path), case.volume, case.edits

        def done(_: None) -> None:
            kept.edits, kept.writing, self._failing = edits, False, False

        def failed(error: UserError) -> None:
            kept.writing = False
            if not self._failing:  # told once; it is tried again at every interval
                self._failing = True
                self._state.report(error)

        kept.writing = True
        self._pool.run(lambda: kept.file.changed(signed(document, volume)), done, failed, lane="write")
