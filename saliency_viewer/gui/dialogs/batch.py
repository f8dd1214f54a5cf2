"""Many studies: the program's own command line in a process beside the window."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFormLayout,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from saliency_viewer.gui import theme
from saliency_viewer.gui.command import NOT_STARTED, OwnCommand
from saliency_viewer.gui.dialogs.paths import PathField
from saliency_viewer.gui.panels.parts import label, row

_STEPS = 1000
_WHAT = "Explains every image of a folder or of a table (columns subject, image). A failing case is named and passed."
_SAID = {
    0: "All cases are done.",
    1: "Some cases failed; they are named above.",
    NOT_STARTED: "The batch could not be started. Run saliency-viewer --self-test.",
}
_UNFINISHED = "The batch ended before it was done; Run goes on where it stopped."


class BatchDialog(QDialog):
    """Studies, model, methods, output; runs, says how far it is, and can be stopped and resumed.

    ``allowed_code`` gives the SHA-256 digests of model code that the user has allowed, when it is run.
    """

    def __init__(
        self,
        parent: QWidget | None,
        model: str,
        methods: tuple[str, ...],
        allowed_code: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Batch")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(640)
        self._allowed_code = allowed_code
        self._closes = False
        self.cohort = PathField("Studies", "Folder of studies, or a CSV table", ("folder", "file"))
        self.model = PathField("Model package", "Folder with model.toml, or a zip", ("folder", "file"))
        self.out = PathField("Output folder", "A folder of its own", ("folder",))
        self.model.line.setText(model)
        self.methods = QLineEdit(" ".join(methods))
        self.resume = QCheckBox("Skip cases that are complete for the same plan")
        self.resume.setChecked(True)
        self.log, self.bar = QPlainTextEdit(), QProgressBar()
        self.log.setReadOnly(True)
        self.bar.setRange(0, _STEPS)
        self.bar.setTextVisible(False)
        self.words = label("", "muted")
        self.go, self.stop = QPushButton("Run"), QPushButton("Stop")
        self.go.setObjectName("primary")
        self.stop.setObjectName("plain")
        self.go.clicked.connect(self.start)
        self.stop.clicked.connect(self.end)
        self._assemble()
        self._running(False)
        self.command = OwnCommand(self)
        self.command.progressed.connect(self._show_progress)
        self.command.told.connect(self.log.appendPlainText)
        self.command.ended.connect(self._ended)

    def _assemble(self) -> None:
        form = QFormLayout()
        form.setSpacing(theme.S)
        for name, field in (
            ("Studies", self.cohort),
            ("Model package", self.model),
            ("Methods", self.methods),
            ("Output folder", self.out),
            ("", self.resume),
        ):
            form.addRow(label(name, "soft"), field)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 20, 20, theme.L)
        column.setSpacing(theme.M)
        column.addWidget(label(_WHAT, "soft", True))
        column.addLayout(form)
        column.addWidget(self.bar)
        column.addWidget(self.words)
        column.addWidget(self.log)
        column.addLayout(row(None, self.stop, self.go))

    @property
    def running(self) -> bool:
        """Whether a batch runs."""
        return self.command.running

    def arguments(self) -> list[str]:
        """The command line's arguments for what the fields say."""
        found = ["batch", self.cohort.text, "--model", self.model.text, "--progress-lines"]
        for method in self.methods.text().split():
            found += ["--method", method]
        for digest in sorted(self._allowed_code()):
            found += ["--trust-sha256", digest]
        found += ["--out", self.out.text]
        return [*found, "--resume"] if self.resume.isChecked() else found

    def start(self) -> None:
        """Run the batch; an empty field is said instead."""
        if not all((self.cohort.text, self.model.text, self.methods.text().strip(), self.out.text)):
            self.log.appendPlainText("Fill in studies, model, methods and output folder first.")
            return
        self.log.clear()
        self._running(True)
        self.command.start(self.arguments())

    def end(self) -> None:
        """Ask the batch to stop, and end it when it has not after a while; what is finished stays."""
        self.stop.setEnabled(False)
        self.words.setText("Stopping")
        self.command.stop()

    def end_now(self) -> None:
        """The program closes: end the batch at once."""
        self.command.end_now()

    def _show_progress(self, fraction: float, words: str) -> None:
        self.bar.setValue(round(_STEPS * fraction))
        if self.stop.isEnabled():
            self.words.setText(words)

    def _ended(self, status: int) -> None:
        self._running(False)
        self.log.appendPlainText(_SAID.get(status, _UNFINISHED))
        if self._closes:
            self.reject()

    def _running(self, on: bool) -> None:
        self.bar.setVisible(on)
        self.words.setVisible(on)
        self.words.setText("Getting ready")
        self.bar.setValue(0)
        self.go.setEnabled(not on)
        self.stop.setEnabled(on)

    def reject(self) -> None:
        """Close, as Escape and the window's button do: the batch is stopped, and the dialog goes when it has ended."""
        if self.running:
            self._closes = True
            self.end()
        else:
            super().reject()
