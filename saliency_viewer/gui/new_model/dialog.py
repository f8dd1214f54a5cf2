"""A checkpoint in, a model package out: choose, look through the guess, check, save."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.domain import ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.dialogs.paths import PathField
from saliency_viewer.gui.new_model.card_form import CardForm
from saliency_viewer.gui.new_model.network import NetworkCard
from saliency_viewer.gui.new_model.outcome import OutcomeCard
from saliency_viewer.gui.panels.form_area import FormArea
from saliency_viewer.gui.panels.parts import fit_to_screen, label, row
from saliency_viewer.models import is_package
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.making import draft_card
from saliency_viewer.models.recognition import Inspection
from saliency_viewer.pipeline import NewPackage, Trial

_STEPS = 1000
_PAUSE = 300  # ms
_FORM_WIDTH = 460
_SIZE = (1180, 820)
_WHAT = (
    "Choose trained weights (safetensors, .pt, .pth, .ckpt) or a program (TorchScript, .pt2, ONNX, Keras). The program "
    "finds out what it can; the rest is asked here."
)
_NOT_CHECKED = "Check it first: what is saved is what was checked."
_FAULTY = "The check found faults: mend them and check again."


class NewModelDialog(QDialog):
    """Emits what shall be done, and is told what came of it."""

    inspect = Signal(str)  # path of a checkpoint
    check = Signal(object)  # NewPackage
    save = Signal(object, str)  # NewPackage and its place
    stop = Signal()

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New model package")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAcceptDrops(True)
        fit_to_screen(self, _SIZE)
        self._inspection: Inspection | None = None
        self._checked: NewPackage | None = None  # the package of the last check, if nothing is wrong with it
        self._busy = False
        self.checkpoint = PathField("Checkpoint", "Weights or a program; drop a file here", ("file",))
        self.network, self.fields, self.outcome = NetworkCard(), CardForm(), OutcomeCard()
        self.found, self.error = label("", "soft", wraps=True), label("", "warning", wraps=True)
        self.refused = label("", "warning", wraps=True)  # why a file is no checkpoint, or what is odd in it
        self.bar, self.words = QProgressBar(), label("", "muted")
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.try_, self.keep, self.halt = QPushButton("Check"), QPushButton("Save package…"), QPushButton("Stop")
        self.halt.setObjectName("plain")
        self._assemble()
        self._pause = QTimer(self)  # a path that is being typed is not looked at after every letter
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._look)
        self.checkpoint.line.textChanged.connect(lambda _: self._another_file())
        self.network.chosen.connect(self._another_network)
        self.network.changed.connect(self._changed)
        self.fields.changed.connect(self._changed)
        self.outcome.layer_chosen.connect(self.fields.take_layer)
        self.try_.clicked.connect(self._check)
        self.keep.clicked.connect(self._save)
        self.halt.clicked.connect(self.stop)
        self.rejected.connect(self.stop)
        self._refresh()

    def _assemble(self) -> None:
        self._form = QWidget()
        left = QVBoxLayout(self._form)
        left.setContentsMargins(0, 0, theme.S, 0)
        left.setSpacing(theme.S)
        left.addWidget(self.network)
        left.addWidget(self.fields, 1)
        area = self._area = FormArea(self._form, _FORM_WIDTH)
        middle = QHBoxLayout()
        middle.setSpacing(theme.M)
        middle.addWidget(area)
        middle.addWidget(self.outcome, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, theme.L)
        column.setSpacing(theme.M)
        for widget in (label(_WHAT, "soft", True), self.checkpoint, self.found, self.refused):
            column.addWidget(widget)
        column.addLayout(middle, 1)
        column.addWidget(self.error)
        column.addWidget(self.bar)
        column.addLayout(row(self.words, None, self.halt, self.try_, self.keep))

    # What comes of it

    def show_inspection(self, inspection: Inspection) -> None:
        """The checkpoint has been looked into."""
        self._inspection = inspection
        self.found.setText(_found(inspection))
        self.refused.setText(" ".join(inspection.warnings))
        self.network.show_inspection(inspection)
        self.outcome.forget()
        self._end()

    def show_trial(self, new: NewPackage, trial: Trial, with_image: bool) -> None:
        """The package has been checked."""
        self.outcome.show_trial(trial, with_image)
        self._checked = new if trial.good else None
        self._end("" if trial.good else _FAULTY)

    def show_error(self, error: UserError) -> None:
        """What was asked for could not be done."""
        words = f"{error.message} {error.hint}".strip()
        self._end(words if self._inspection is not None else "")
        if self._inspection is None:
            self.refused.setText(words)
            self._refresh()

    def show_progress(self, fraction: float, words: str) -> None:
        """How far it is."""
        self.bar.setValue(round(_STEPS * fraction))
        self.words.setText(words)

    def show_stopped(self) -> None:
        """It was stopped."""
        self._end()
        self.words.setText("Stopped.")

    # What shall be done

    def _another_file(self) -> None:
        self._inspection, self._checked = None, None
        for words in (self.found, self.refused, self.error):
            words.setText("")
        self.outcome.forget()
        self.stop.emit()
        self._pause.start()
        self._refresh()

    def _look(self) -> None:
        if self.checkpoint.text:
            self._begin("Reading the checkpoint")
            self.inspect.emit(self.checkpoint.text)

    def _another_network(self) -> None:
        if self._inspection is None:
            return
        candidate = self.network.guess()
        draft = draft_card(self._inspection, candidate)
        self.fields.show_card(draft, candidate.outputs, candidate.dimensions, candidate.channels)
        self._changed()

    def package(self) -> NewPackage:
        """What the fields say; raises :class:`UserError` for what cannot be."""
        candidate = self.network.candidate()
        card = self.fields.card(candidate.architecture, dict(candidate.arguments))
        return NewPackage(self.checkpoint.text, parsed(card))

    def _check(self) -> None:
        try:
            new = self.package()
        except UserError as error:
            self.show_error(error)
            return
        self._begin("Waiting for the compute process")
        self.check.emit(new)

    def _save(self) -> None:
        if self._checked is None:
            return
        dialog = QFileDialog(self, "Save package: a folder, or a file that ends in .zip")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.selectFile(_file_name(self._checked.card.name))
        dialog.fileSelected.connect(self.save_to)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def save_to(self, place: str) -> None:
        """Write the package that was checked; one that is there already is kept unless the user says otherwise."""
        if not is_package(place):
            self._write(place)
            return
        question = MessageDialog(
            self,
            "New model package",
            "A model package is there already.",
            "It is lost, with all that was edited in it, when the new one takes its place.",
            "",
            ("Keep it", None),
            ("Replace it", partial(self._write, place)),
        )
        question.setWindowModality(Qt.WindowModality.WindowModal)
        question.show()

    def _write(self, place: str) -> None:
        if self._checked is not None:
            self._begin("Writing the package")
            self.save.emit(self._checked, place)

    def _changed(self) -> None:
        self._checked = None
        self.outcome.mark_stale()
        self._refresh()

    def _begin(self, words: str) -> None:
        self._busy = True
        self.error.setText("")
        self.show_progress(0.0, words)
        self._refresh()

    def _end(self, error: str = "") -> None:
        self._busy = False
        self.error.setText(error)
        self.words.setText("")
        self._refresh()

    def _refresh(self) -> None:
        ready = self._inspection is not None and not self._busy
        good = ready and self._checked is not None
        self.bar.setVisible(self._busy)
        self.halt.setVisible(self._busy)
        for words in (self.found, self.refused, self.error):
            words.setVisible(bool(words.text()))
        self._area.setVisible(self._inspection is not None)
        self._form.setEnabled(ready)
        self.try_.setEnabled(ready)
        self.keep.setEnabled(good)
        self.keep.setToolTip("" if good else _NOT_CHECKED)
        for button, usual in ((self.try_, not good), (self.keep, good)):
            button.setObjectName("primary" if usual else "plain")
            button.style().polish(button)
            button.setDefault(usual)

    # Qt's events

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """A file is welcome."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Take the file that was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.checkpoint.line.setText(paths[0])


def parsed(card: ModelCard) -> ModelCard:
    """The card as it will be read again; raises :class:`UserError` that names what is wrong in it."""
    return parse_card(card_to_toml(card))


def _found(inspection: Inspection) -> str:
    best = inspection.best
    if not inspection.tensors:
        return f"This is {inspection.form.label}: network and weights in one file."
    words = f"{inspection.tensors} weights, {inspection.numbers:,} numbers."
    if best is not None and inspection.recognised:
        plural = "s" if best.outputs != 1 else ""
        words += f" They are those of {best.architecture} with {best.outputs} output{plural}."
    elif best is not None:
        words += f" The nearest network is {best.architecture}: {best.fit.text if best.fit is not None else ''}."
    return words


def _file_name(name: str) -> str:
    """A model's name as a folder's."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name).split()).lower() or "model"
