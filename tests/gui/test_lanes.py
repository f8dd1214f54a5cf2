"""What runs beside the window: kinds of work that do not hold each other up, and an end that waits for no reader."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import shiboken6

from saliency_viewer.gui.files import FilePool

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)


@pytest.fixture
def pool(qtbot):
    made = FilePool()
    yield made
    made.close()
    made.deleteLater()


@pytest.mark.parametrize("busy", ["scan", "load", "quick"])
def test_what_takes_long_holds_up_nothing_of_another_kind(qtbot, pool, busy) -> None:
    go, said = threading.Event(), []
    for _ in range(9):
        pool.run(lambda: go.wait(20), lambda _: None, lane=busy)
    for lane in {"scan", "load", "quick", "write"} - {busy}:
        pool.run(lambda lane=lane: lane, said.append, lane=lane)
    qtbot.waitUntil(lambda: len(said) == 3)
    with qtbot.waitSignal(pool.idle, timeout=20000):
        go.set()


def test_what_is_written_twice_is_written_in_the_order_of_asking(qtbot, pool) -> None:
    go, written = threading.Event(), []
    pool.run(lambda: (go.wait(20), written.append("first")), lambda _: None, lane="write")
    pool.run(lambda: written.append("second"), lambda _: None, lane="write")
    threading.Timer(0.2, go.set).start()
    with qtbot.waitSignal(pool.idle, timeout=20000):
        pass
    assert written == ["first", "second"]


def test_closing_waits_for_what_is_being_written(qtbot) -> None:
    pool = FilePool()
    started, go, written = threading.Event(), threading.Event(), []

    def write() -> None:
        started.set()
        go.wait(20)
        written.append(1)

    pool.run(write, lambda _: None, lane="write")
    qtbot.waitUntil(started.is_set)
    threading.Timer(0.8, go.set).start()  # longer than a reader is waited for
    pool.close()
    assert (written, pool.abandoned) == ([1], False)
    pool.deleteLater()


def test_a_reader_that_goes_on_after_the_end_tells_nobody(qtbot) -> None:
    pool, go, started = FilePool(), threading.Event(), threading.Event()
    loose = threading.Event()

    def read() -> None:
        started.set()
        go.wait(20)
        pool.tell(lambda: None)
        loose.set()

    pool.run(read, lambda _: None)
    qtbot.waitUntil(started.is_set)
    pool.close()
    assert pool.abandoned
    shiboken6.delete(pool)
    go.set()
    assert loose.wait(20)  # it got past its news; an exception in a thread would fail the test too
    for lane in pool._lanes.values():
        lane.wait(20)
    assert not pool.abandoned


def test_the_window_is_gone_before_anything_is_waited_for(opened, monkeypatch) -> None:
    seen, close = [], opened.pool.close
    monkeypatch.setattr(opened.pool, "close", lambda: (seen.append(opened.isVisible()), close()))
    opened.close()
    assert seen == [False]


_STUCK = """
import sys, threading
from PySide6.QtCore import QTimer
import saliency_viewer.readers
from saliency_viewer.gui import app, window
from saliency_viewer.gui.worker import ComputeWorker

started = threading.Event()

def stuck(path, context=None, found=None):
    started.set()
    threading.Event().wait()

class Process:
    start = close = lambda self: None
    def events(self, timeout):
        threading.Event().wait(timeout)
        return []

saliency_viewer.readers.open_study = stuck
window.ComputeWorker = lambda: ComputeWorker(Process())

def look():
    if started.is_set():
        made = next(w for w in app.QApplication.topLevelWidgets() if isinstance(w, window.MainWindow))
        made.close()
    else:
        QTimer.singleShot(20, look)

app.prepare = lambda made: QTimer.singleShot(20, look)
status = app.launch([sys.argv[1]], None, None, None, False)
raise SystemExit(f"launch came back with {status}")
"""


def test_a_reader_that_cannot_be_stopped_does_not_keep_the_program_alive(image) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STUCK, str(image)], capture_output=True, text=True, check=False, timeout=120
    )
    said = [line for line in done.stderr.splitlines() if "propagateSizeHints" not in line]
    assert (done.returncode, said) == (0, [])
