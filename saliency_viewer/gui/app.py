"""Starting the window, and saving a picture of it for who has no screen."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from PySide6.QtCore import QMessageLogContext, QObject, QTimer, QtMsgType, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from saliency_viewer.errors import UserError
from saliency_viewer.gui import theme
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.runtime.started import STARTED

_LOG = logging.getLogger(__name__)
_LOOK = 150  # ms between two looks at whether everything is there
_PATIENCE = 120.0  # seconds until a screenshot is given up
_BAD_INPUT = 2
_SWITCH = 0.0005  # seconds
_OFFSCREEN_REMARK = "does not support propagateSizeHints"
_NO_CONSENT = UserError(
    "This model package brings its own Python code, and nobody is here to be asked whether it may run.",
    "If you know where it comes from, add --trust-code.",
)


class ScreenshotTaker(QObject):
    """Saves the window once nothing is under way any more, then leaves; status 0, or 2 after an error."""

    def __init__(self, window: MainWindow, path: Path) -> None:
        super().__init__(window)
        self._window, self._path = window, path
        self._deadline = time.monotonic() + _PATIENCE
        self._quiet = 0
        self.status: int | None = None
        window.state.problem.connect(self._fail)
        window.consent.wanted.connect(lambda _code: self._fail(_NO_CONSENT))
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        # Quiet twice in a row: between two steps there may be a moment in which nothing is under way.
        self._quiet = 0 if self._window.busy else self._quiet + 1
        if self._quiet > 2:
            self._take()
        elif time.monotonic() > self._deadline:
            self._fail(
                UserError("The picture was given up after two minutes.", "Try fewer methods or a smaller image.")
            )

    def _take(self) -> None:
        suffix = self._path.suffix.lower()
        if suffix != ".png":
            self._fail(UserError("A screenshot is a PNG file.", "Give a name that ends in .png."))
        elif not self._window.grab().save(str(self._path), "PNG"):
            self._fail(UserError("The screenshot could not be written.", "Choose a folder that you may write to."))
        else:
            self._leave(0)

    def _fail(self, error: UserError) -> None:
        if self.status is None:
            sys.stderr.write(f"saliency-viewer: {error}\n")
            self._leave(_BAD_INPUT)

    def _leave(self, status: int) -> None:
        self.status = status
        self._timer.stop()
        self._window.state.forget_changes()
        self._window.close()
        QApplication.exit(status)


def launch(paths: list[str], model: str | None, demo: str | None, screenshot: str | None, trust_code: bool) -> int:
    """Open the window and run until it is closed.

    Parameters
    ----------
    paths:
        Studies, images, model packages or session files to open.
    model:
        A model package; with an image it is asked and explained at once.
    demo:
        ``chest`` or ``brain``: the built-in demo, explained at once.
    screenshot:
        PNG file that gets a picture of the window once everything asked for is loaded and computed.
    trust_code:
        Whether model packages may run the Python file they bring without the user being asked.

    Returns
    -------
    The exit status: 0, or 2 when a screenshot was asked for and something failed.
    """
    app = QApplication.instance() or QApplication(sys.argv[:1])
    if not isinstance(app, QApplication):
        raise UserError("A Qt program without a window is running already.", "Start the window by itself.")
    prepare(app)
    window = MainWindow()
    window.consent.everything = trust_code
    taker = ScreenshotTaker(window, Path(screenshot)) if screenshot else None
    if taker is None:
        window.layout_memory.restore()
    window.show()
    QTimer.singleShot(0, lambda: _begin(window, paths, model, demo, taker is None))
    status = int(app.exec())
    window.end()
    status = taker.status if taker is not None and taker.status is not None else status
    if window.pool.abandoned:
        _leave_at_once(status)
    return status


def _leave_at_once(status: int) -> None:
    """End while a library still reads: Python's own end would wait for its thread, or break it off in the middle."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def prepare(app: QApplication) -> None:
    """Everything about the program that is not the window."""
    app.setApplicationName("Saliency Viewer")
    # Python lets another thread run every 5 ms only, and a paint asks for its turn many times: readers at work in the
    # pool would make the window stutter.
    sys.setswitchinterval(_SWITCH)
    _silence_offscreen()
    theme.dress(app)


def _silence_offscreen() -> None:
    """Without a screen Qt says at every window that it cannot pass on sizes, which tells the user nothing."""

    def say(_kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
        if _OFFSCREEN_REMARK not in text:
            sys.stderr.write(f"{text}\n")

    qInstallMessageHandler(say)


def _begin(window: MainWindow, paths: list[str], model: str | None, demo: str | None, asks: bool) -> None:
    """What happens once the window stands; ``asks`` says whether somebody sits before it."""
    _LOG.info("window shown after %.2f s", time.perf_counter() - STARTED)
    window.start()
    if demo:
        window.intents.open_demo.emit(demo)
    if model:
        window.intents.choose_model.emit(model)
    if paths:
        window.intents.open_paths.emit(paths)
    if model and paths:
        window.opening.explain_when_ready()
    if asks:
        window.desk.first_run()
