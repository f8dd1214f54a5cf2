"""Has the compute process load a model as soon as it is chosen: the first map does not wait, the layers are known."""

from __future__ import annotations

from PySide6.QtCore import QObject

from saliency_viewer.errors import UserError
from saliency_viewer.gui.consent import Consent
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.worker import ComputeWorker
from saliency_viewer.pipeline import DescribeModel, Errand, ModelDescription


class Preparing(QObject):
    """Sends the chosen model to the compute process and hands its layers to the state; the newest counts."""

    def __init__(self, state: DocumentState, worker: ComputeWorker, consent: Consent, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._worker, self._consent = state, worker, consent
        self._number: int | None = None
        state.model_changed.connect(self.load)
        consent.given.connect(self._allowed)
        worker.answered.connect(self._described)
        worker.failed.connect(self._failed)

    def _allowed(self, digest: str) -> None:
        """A yes to another model's file is no reason to ask about this one's again."""
        code = self._state.model_code
        if code is not None and code.digest == digest:
            self.load()

    def load(self) -> None:
        """Load the present model, or have the user asked whether its code may run; an older model is not wanted."""
        if self._number is not None:
            self._worker.cancel(self._number)
            self._number = None
        code = self._state.model_code
        if code is not None and not self._consent.covers(code):
            self._consent.ask(code)
            return
        if not self._state.model_path or self._state.layers is not None:
            return
        self._number = self._worker.new_id()
        request = DescribeModel(self._state.model_path)
        self._worker.submit(Errand(self._number, request, self._consent.digests(code)))

    def _described(self, number: int, description: ModelDescription) -> None:
        if number == self._number:
            self._number = None
            self._state.set_layers(description.layers)

    def _failed(self, number: int, message: str, hint: str, detail: str) -> None:
        if number != self._number:
            return
        self._number = None
        if self._state.compute.job is None:  # else the analysis that waits for this model will say the same
            self._state.report(UserError(message, hint, detail))
