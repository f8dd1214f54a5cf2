"""The window of a training: the form at the left, curves, progress, outcome and log at the right."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QCloseEvent, QDesktopServices, QHideEvent, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.domain import TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.dialogs.message import Choice, MessageDialog
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.form_area import FormArea
from saliency_viewer.gui.panels.methods import time_left
from saliency_viewer.gui.panels.parts import fit_to_screen, label, row, section
from saliency_viewer.gui.training.curves import TrainingCurves
from saliency_viewer.gui.training.form import TrainingForm
from saliency_viewer.gui.training.outcome import OutcomeCard
from saliency_viewer.gui.training.run import Phase, Task, Training
from saliency_viewer.pipeline.training import is_finished, is_stopped

_SIZE = (1180, 800)
_FORM_WIDTH = 420
_STEPS = 1000
_PAUSE = 200  # ms between two drawings of the curves
_LINES = 5000  # of the log; an older one goes
_SAID: dict[Phase, str] = {
    "checked": "The data can be trained on. The log says what was found.",
    "stopped": "Stopped. What was learnt up to the last finished epoch is kept: Resume goes on there.",
}


class TrainingPage(QWidget):
    """A window of its own: a training takes hours, and the main window stays usable meanwhile.

    Closing it hides it; fields, curves and log are there when it is opened again.
    """

    def __init__(self, training: Training, intents: Intents, pool: FilePool) -> None:
        super().__init__()
        self.setWindowTitle("Train a classifier")
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        fit_to_screen(self, _SIZE)
        self._training = training
        self.form, self.curves = TrainingForm(), TrainingCurves()
        self.check, self.resume, self.go = QPushButton("Check data"), QPushButton("Resume"), QPushButton("Train")
        self.stop = QPushButton("Stop")
        for button, name in ((self.check, "plain"), (self.resume, "plain"), (self.go, "primary"), (self.stop, "plain")):
            button.setObjectName(name)
        self.check.setToolTip("Read the table and every image, and say what is wrong before hours are spent")
        self.resume.setToolTip("Go on with a training that was stopped, from its last finished epoch")
        self.stop.setToolTip("The last finished epoch is kept")
        tasks: tuple[tuple[QPushButton, Task], ...] = (
            (self.go, "train"), (self.resume, "resume"), (self.check, "check"),
        )  # fmt: skip
        for button, task in tasks:
            button.clicked.connect(lambda _=False, task=task: self.start(task))
        self.stop.clicked.connect(training.stop)
        self.bar, self.words, self.message = QProgressBar(), label("", "soft"), label("", "soft", wraps=True)
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the training")
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setAccessibleName("Log")
        self.log.setTabChangesFocus(True)
        self.log.setObjectName("code")
        self.log.setMaximumBlockCount(_LINES)
        self.log.setPlaceholderText("What the training says of itself")
        self.outcome = OutcomeCard(pool)
        self.outcome.use.clicked.connect(self._use)
        self.outcome.open.clicked.connect(self._open_report)
        self._intents = intents
        self._assemble()
        training.changed.connect(self.refresh)
        # Epochs may come faster than curves are drawn: when a training goes on, or on very little data.
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_PAUSE)
        self._later.timeout.connect(self._draw)
        training.epochs_changed.connect(self._draw_soon)
        training.told.connect(self.log.appendPlainText)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self).activated.connect(self.close)
        self.refresh()

    def start(self, task: Task) -> None:
        """Train, go on or check with what the fields say; a missing field is said instead."""
        try:
            plan = self.form.plan()
        except UserError as error:
            self._say(str(error), theme.APPROXIMATE)
            return
        anew = ("Begin anew", partial(self._begin, plan, "anew"))
        if task == "train" and is_stopped(plan):
            self._ask(
                "A training for this package was stopped.",
                "What it had learnt is kept until a new one takes its place.",
                ("Go on with it", partial(self._begin, plan, "resume")),
                anew,
                ("Cancel", None),
            )
        elif task == "train" and is_finished(plan):
            self._ask(
                "A finished package is there already.",
                "It is lost when the new one takes its place, at the end of the training.",
                ("Keep it", None),
                anew,
            )
        else:
            self._begin(plan, task)

    def _begin(self, plan: TrainingPlan, task: Task) -> None:
        self.log.clear()
        self._training.start(plan, task)

    def _ask(self, message: str, hint: str, *answers: Choice) -> None:
        """One question at a time."""
        if any(one.isVisible() for one in self.findChildren(MessageDialog)):
            return
        question = MessageDialog(self, "Training", message, hint, "", *answers)
        question.setWindowModality(Qt.WindowModality.WindowModal)
        question.show()

    def refresh(self) -> None:
        """Read the run."""
        run = self._training.run
        self.form.setEnabled(not run.running)
        for button in (self.check, self.resume, self.go):
            button.setVisible(not run.running)
        for widget in (self.stop, self.bar, self.words):
            widget.setVisible(run.running)
        self.stop.setEnabled(run.phase == "running")
        self.bar.setValue(round(_STEPS * run.fraction))
        self.words.setText(" · ".join(words for words in (run.words, time_left(run.seconds_left)) if words))
        self._say(run.error or _SAID.get(run.phase, ""), theme.FAILED if run.phase == "failed" else theme.VERIFIED)
        self.outcome.show_run(run)
        if not run.running:
            self._draw()

    def _draw_soon(self) -> None:
        if not self._later.isActive():
            self._later.start()

    def _draw(self) -> None:
        self._later.stop()
        self.curves.show_epochs(self._training.run.epochs, self._training.run.running)

    def _say(self, words: str, colour: str) -> None:
        self.message.setText(words)
        self.message.setStyleSheet(f"color: {colour};")
        self.message.setVisible(bool(words))

    def _use(self) -> None:
        plan = self._training.run.plan
        if plan is not None:
            self._intents.choose_model.emit(plan.out)

    def _open_report(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(self._training.run.report))

    def _assemble(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(theme.M)
        left.addWidget(FormArea(self.form, _FORM_WIDTH), 1)
        left.addLayout(row(self.check, None, self.resume, self.go))
        right = QVBoxLayout()
        right.setSpacing(theme.S)
        right.addWidget(self.curves, 3)
        right.addWidget(self.message)
        right.addLayout(row(self.words, None, self.stop))
        right.addWidget(self.bar)
        right.addWidget(self.outcome)
        right.addWidget(section("Log"))
        right.addWidget(self.log, 1)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(theme.L, theme.L, theme.L, theme.L)
        whole.setSpacing(theme.L)
        whole.addLayout(left)
        whole.addLayout(right, 1)

    # Qt's events

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Somebody looks."""
        self._training.look(True)
        super().showEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Nobody looks any more."""
        self._training.look(False)
        super().hideEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Hide; while a training runs, ask whether it is to stop."""
        if not self._training.run.running or self._training.run.phase == "stopping":
            event.accept()
            return
        event.ignore()
        self._ask(
            "The training is still running.",
            "It can go on without this window; the main window's last line says how far it is and opens this one "
            "again. If it is stopped, Resume goes on from the last finished epoch.",
            ("Keep it running", self.hide),
            ("Stop it", self._stop_and_hide),
            ("Cancel", None),
        )

    def _stop_and_hide(self) -> None:
        self._training.stop()
        self.hide()
