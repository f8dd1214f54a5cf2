"""Between the dialog for new packages and the compute process; the newest request counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QWidget

from saliency_viewer.errors import UserError
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.new_model.dialog import NewModelDialog
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.worker import ComputeWorker
from saliency_viewer.pipeline import Errand, InspectCheckpoint, NewPackage, Request, SavePackage, TryPackage


class Making(QObject):
    """Opens the dialog, hands its requests to the worker and the answers back."""

    def __init__(self, state: DocumentState, intents: Intents, worker: ComputeWorker, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._intents, self._worker, self._window = state, intents, worker, window
        self.dialog: NewModelDialog | None = None
        self._number: int | None = None
        self._take: Callable[[Any], None] | None = None
        intents.new_model_dialog.connect(self.open)
        worker.answered.connect(self._answered)
        worker.progressed.connect(self._progressed)
        worker.failed.connect(self._failed)
        worker.stopped.connect(self._stopped)

    def open(self) -> None:
        """Show the dialog; there is one at a time."""
        if self.dialog is None:
            self.dialog = dialog = NewModelDialog(self._window)
            dialog.setWindowModality(Qt.WindowModality.WindowModal)
            dialog.inspect.connect(self._inspect)
            dialog.check.connect(self._check)
            dialog.save.connect(self._save)
            dialog.stop.connect(self.stop)
            dialog.finished.connect(self._closed)
        self.dialog.show()
        self.dialog.activateWindow()

    def stop(self) -> None:
        """Whatever is under way is not wanted any more."""
        if self._number is not None:
            self._worker.cancel(self._number)

    def _closed(self) -> None:
        self.dialog, self._take = None, None

    def _inspect(self, path: str) -> None:
        if self.dialog is not None:
            self._send(InspectCheckpoint(path), self.dialog.show_inspection)

    def _check(self, new: NewPackage) -> None:
        dialog, case = self.dialog, self._state.case
        if dialog is not None:
            image = case.reference if case is not None and case.volume is not None else None
            self._send(TryPackage(new, image), lambda trial: dialog.show_trial(new, trial, image is not None))

    def _save(self, new: NewPackage, place: str) -> None:
        self._send(SavePackage(new, place), self._saved)

    def _saved(self, place: str) -> None:
        if self.dialog is not None:
            self.dialog.accept()
        self._state.told.emit("The model package is saved, and chosen.")
        self._intents.choose_model.emit(place)

    def _send(self, request: Request, take: Callable[[Any], None]) -> None:
        self.stop()
        self._number, self._take = self._worker.new_id(), take
        self._worker.submit(Errand(self._number, request))

    # What the worker says

    def _answered(self, number: int, answer: object) -> None:
        take = self._end(number)
        if take is not None:
            take(answer)

    def _progressed(self, number: int, fraction: float, words: str) -> None:
        if number == self._number and self.dialog is not None:
            self.dialog.show_progress(fraction, words)

    def _failed(self, number: int, message: str, hint: str, detail: str) -> None:
        if self._end(number) is not None and self.dialog is not None:
            self.dialog.show_error(UserError(message, hint, detail))

    def _stopped(self, number: int) -> None:
        if self._end(number) is not None and self.dialog is not None:
            self.dialog.show_stopped()

    def _end(self, number: int) -> Callable[[Any], None] | None:
        """Who takes the answer when it is to the newest request; None for a stale one."""
        if number != self._number:
            return None
        take, self._number, self._take = self._take, None, None
        return take
