"""The program's own command line in a process beside the window, for work that takes hours."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

UNFINISHED = -1  # the status of a command that was stopped, or that crashed
NOT_STARTED = -2
PROGRESS = "progress"
_GRACE = 3000  # ms between asking a command to stop and ending it


def own_program() -> tuple[str, ...]:
    """What starts this program's command line, frozen or not."""
    return (sys.executable,) if getattr(sys, "frozen", False) else (sys.executable, "-m", "saliency_viewer")


class OwnCommand(QObject):
    """Runs one command at a time, reads along and can stop it.

    A line ``mark<tab>rest`` whose mark is one of ``marks`` is given out as :attr:`marked`, one about how far the
    command is as :attr:`progressed`, and any other one, of standard error too, as :attr:`told`. ``program`` is what
    the arguments are given to.
    """

    progressed = Signal(float, str)  # 0..1, what is being done
    marked = Signal(str, str)
    told = Signal(str)
    ended = Signal(int)  # the exit status, UNFINISHED or NOT_STARTED

    def __init__(self, parent: QObject | None, marks: Sequence[str] = (), program: Sequence[str] | None = None) -> None:
        super().__init__(parent)
        self._program, self._marks = tuple(program or own_program()), tuple(marks)
        self._rest = b""
        self.process = QProcess(self)
        self.process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")  # else words come in lumps of some thousand letters
        environment.insert("PYTHONUTF8", "1")
        self.process.setProcessEnvironment(environment)
        self.process.readyReadStandardOutput.connect(self._read)
        self.process.finished.connect(self._finished)
        self.process.errorOccurred.connect(self._failed)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_GRACE)
        self._patience.timeout.connect(self.process.kill)

    @property
    def running(self) -> bool:
        """Whether the command runs."""
        return self.process.state() != QProcess.ProcessState.NotRunning

    def start(self, arguments: Sequence[str]) -> None:
        """Run the program with ``arguments``."""
        self._rest = b""
        executable, *before = self._program
        self.process.start(executable, [*before, *arguments])

    def stop(self) -> None:
        """Ask the command to stop, and end it when it has not after a while."""
        self.process.terminate()
        self._patience.start()

    def end_now(self) -> None:
        """The program closes: end the command at once, and wait until it is gone."""
        if self.running:
            self.process.kill()
            self.process.waitForFinished(_GRACE)

    def _read(self) -> None:
        # A line may arrive in two parts, cut within a letter: what follows the last line break waits for its rest.
        *lines, self._rest = (self._rest + bytes(self.process.readAllStandardOutput().data())).split(b"\n")
        self._take_all([line.decode("utf-8", "replace").rstrip() for line in lines])

    def _take_all(self, lines: Sequence[str]) -> None:
        """What arrived at once. Only the last word of how far it is can be seen, so only that is given out."""
        last: tuple[float, str] | None = None
        for line in lines:
            progress = _progress_of(line)
            if progress is None:
                self._take(line)
            last = progress or last
        if last is not None:
            self.progressed.emit(*last)

    def _take(self, line: str) -> None:
        mark, tab, rest = line.partition("\t")
        if tab and mark in self._marks:
            self.marked.emit(mark, rest)
        elif line:
            self.told.emit(line)

    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._patience.stop()
        self._read()
        if self._rest.strip():
            self._take_all([self._rest.decode("utf-8", "replace").rstrip()])
        self._rest = b""
        self.ended.emit(code if status == QProcess.ExitStatus.NormalExit else UNFINISHED)

    def _failed(self, error: QProcess.ProcessError) -> None:
        """A process that never ran does not say that it finished."""
        if error == QProcess.ProcessError.FailedToStart:
            self._patience.stop()
            self.ended.emit(NOT_STARTED)


def _progress_of(line: str) -> tuple[float, str] | None:
    """The fraction (0..1) and the words of a line about progress; None for another one, which may begin alike."""
    mark, _, rest = line.partition("\t")
    number, _, words = rest.partition("\t")
    try:
        return (min(max(float(number), 0.0), 1.0), words) if mark == PROGRESS else None
    except ValueError:
        return None
