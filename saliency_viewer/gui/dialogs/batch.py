"""Many studies: the program's own command line in a process beside the window."""

from __future__ import annotations

import sys

from PySide6.QtCore import QProcess, Qt
from PySide6.QtGui import QCloseEvent
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
from saliency_viewer.gui.analysis import FIRST_METHODS
from saliency_viewer.gui.dialogs.export import FolderField
from saliency_viewer.gui.panels.parts import label, row

_GRACE = 3000  # ms between asking the batch to stop and ending it
_WHAT = "Explains every image of a folder or of a table (columns subject, image). A failing case is named and passed."


class BatchDialog(QDialog):
    """Folder or table, model, methods, output; runs, says how it goes, and can be stopped and resumed."""

    def __init__(self, parent: QWidget | None, model: str, methods: tuple[str, ...] = FIRST_METHODS) -> None:
        super().__init__(parent)
        self.setWindowTitle("Batch")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(600)
        self.cohort, self.out = FolderField("Folder of studies"), FolderField("Write to")
        self.cohort.line.setPlaceholderText("Folder of studies, or path of a CSV table")
        self.model, self.methods = QLineEdit(model), QLineEdit(" ".join(methods))
        self.resume = QCheckBox("Skip cases that are complete for the same plan")
        self.resume.setChecked(True)
        self.log, self._bar = QPlainTextEdit(), QProgressBar()
        self.log.setReadOnly(True)
        self._bar.setRange(0, 0)
        self._bar.hide()
        self.go, self.stop = QPushButton("Run"), QPushButton("Stop")
        self.go.setObjectName("primary")
        self.stop.setObjectName("plain")
        self.stop.setEnabled(False)
        self.go.clicked.connect(self.start)
        self.stop.clicked.connect(self._stop)
        self._assemble()
        self.process = QProcess(self)
        self.process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.finished.connect(self._ended)
        self.process.errorOccurred.connect(lambda _error: self._ended(-1))

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
        column.addWidget(self._bar)
        column.addWidget(self.log)
        column.addLayout(row(None, self.stop, self.go))

    def arguments(self) -> list[str]:
        """The command line's arguments for what the fields say."""
        found = ["batch", self.cohort.line.text().strip(), "--model", self.model.text().strip()]
        for method in self.methods.text().split():
            found += ["--method", method]
        found += ["--out", self.out.line.text().strip()]
        return [*found, "--resume"] if self.resume.isChecked() else found

    def start(self) -> None:
        """Run the batch; an empty field is said instead."""
        fields = (self.cohort.line, self.model, self.methods, self.out.line)
        if not all(field.text().strip() for field in fields):
            self.log.appendPlainText("Fill in studies, model, methods and output folder first.")
            return
        frozen = getattr(sys, "frozen", False)
        before = [] if frozen else ["-m", "saliency_viewer"]
        self._running(True)
        self.process.start(sys.executable, [*before, *self.arguments()])

    def _read(self) -> None:
        text = bytes(self.process.readAllStandardOutput().data()).decode("utf-8", "replace")
        for line in text.splitlines():
            if line.strip():
                self.log.appendPlainText(line)

    def _ended(self, code: int, _status: object = None) -> None:
        self._read()
        self._running(False)
        said = {0: "All cases are done.", 1: "Some cases failed; they are named above."}
        self.log.appendPlainText(said.get(code, "The batch ended before it was done; Run goes on where it stopped."))

    def _stop(self) -> None:
        self.process.terminate()

    def _running(self, on: bool) -> None:
        self._bar.setVisible(on)
        self.go.setEnabled(not on)
        self.stop.setEnabled(on)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """A batch does not outlive its dialog."""
        if self.process.state() != QProcess.ProcessState.NotRunning:
            self.process.terminate()
            if not self.process.waitForFinished(_GRACE):
                self.process.kill()
                self.process.waitForFinished(_GRACE)
        super().closeEvent(event)
