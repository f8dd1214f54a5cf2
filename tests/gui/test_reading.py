"""Reading beside the window: how far it is, a first image, stopping, and names that come later."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from PySide6.QtCore import QThread

from saliency_viewer.domain import Study, Window
from saliency_viewer.errors import UserError
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.panels.loading import LoadingBar
from saliency_viewer.pipeline import image_hash
from saliency_viewer.session import load_session

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)
_START, _IMAGES, _PREVIEW = range(3)


class SlowScan:
    """Stands for the reader of a large folder: says how far it is, finds a first image, and waits to be let on."""

    def __init__(self, study: Study, first) -> None:
        self.study, self.first = study, first
        self.go = threading.Event()

    def __call__(self, path, context=None, found=None):
        context.report(0.25, "Reading headers")
        found(self.first)
        while not self.go.wait(0.01):
            context.check()
        context.report(1.0, "Reading headers")
        return self.study


@pytest.fixture
def scan(monkeypatch, make_series, tmp_path):
    first, large = make_series(1, (1, 9, 11)), make_series(2)
    made = SlowScan(Study(str(tmp_path), (first, large)), make_series(1, (1, 9, 11)))
    # A plain function, whose signature says that it takes a callback.
    monkeypatch.setattr(
        "saliency_viewer.readers.open_study", lambda path, context=None, found=None: made(path, context, found)
    )
    yield made
    made.go.set()


def _open(qtbot, window, tmp_path) -> LoadingBar:
    window.intents.open_paths.emit([str(tmp_path)])
    qtbot.waitUntil(lambda: window.state.preview is not None, timeout=20000)
    return window.status.findChild(LoadingBar)


def test_the_first_image_is_seen_while_the_folder_is_still_read(qtbot, window, scan, tmp_path):
    bar = _open(qtbot, window, tmp_path)
    assert window._pages.currentIndex() == _PREVIEW
    canvas = window.preview.canvas
    assert (canvas.frame.height, canvas.frame.width) == (9, 11)
    assert (canvas.accessibleName(), canvas.accessibleDescription()) == ("First image", "still reading the folder")
    assert bar.isVisible()
    assert bar.words.text() == "Reading headers · 25 %"
    assert bar.bar.value() == 250
    assert window.state.cases == []
    assert window.busy
    scan.go.set()
    qtbot.waitUntil(lambda: window.state.volume is not None, timeout=20000)
    assert window._pages.currentIndex() == _IMAGES
    assert window.state.preview is None
    assert window.state.volume.geometry.shape == (6, 20, 18)  # the largest series, not the first image
    assert len(window.state.cases) == 2
    qtbot.waitUntil(lambda: not window.busy, timeout=20000)
    assert not bar.isVisible()


def test_stopping_brings_back_what_was_shown(qtbot, opened, scan, tmp_path):
    before, cases = opened.state.volume, list(opened.state.cases)
    bar = _open(qtbot, opened, tmp_path)
    assert opened.state.volume is before
    with qtbot.waitSignal(opened.state.told) as said:
        bar.stop.click()
        assert opened._pages.currentIndex() == _IMAGES  # at once, not when the reader has noticed
    assert "unchanged" in said.args[0]
    qtbot.waitUntil(lambda: not opened.pool.busy, timeout=20000)
    assert opened.state.volume is before
    assert opened.state.cases == cases
    assert opened.state.preview is None
    assert opened.state.loading.text == ""
    assert not opened.findChildren(MessageDialog)


def test_stopping_on_the_empty_window_offers_the_start_again(qtbot, window, scan, tmp_path):
    _open(qtbot, window, tmp_path)
    window.intents.stop_reading.emit()
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)
    assert window._pages.currentIndex() == _START


def test_a_first_image_that_cannot_be_read_is_no_news(qtbot, window, scan, make_series, tmp_path):
    def broken(_context):
        raise UserError("The file is damaged.")

    scan.first = replace(scan.first, loader=broken)
    window.intents.open_paths.emit([str(tmp_path)])
    qtbot.waitUntil(lambda: window.state.loading.fraction == 0.25, timeout=20000)
    scan.go.set()
    qtbot.waitUntil(lambda: window.state.volume is not None and not window.pool.busy, timeout=20000)
    assert not window.findChildren(MessageDialog)


def test_a_scan_that_fails_after_its_first_image_says_why_and_goes_back(qtbot, window, monkeypatch, make_series):
    first = make_series(1, (1, 9, 11))
    go = threading.Event()

    def fails(path, context=None, found=None):
        found(first)
        go.wait(20)
        raise UserError("The disk went away.")

    monkeypatch.setattr("saliency_viewer.readers.open_study", fails)
    window.intents.open_paths.emit(["x"])
    qtbot.waitUntil(lambda: window.state.preview is not None, timeout=20000)
    go.set()
    qtbot.waitUntil(lambda: bool(window.findChildren(MessageDialog)), timeout=20000)
    (dialog,) = window.findChildren(MessageDialog)
    assert dialog.message.text() == "The disk went away."
    assert window._pages.currentIndex() == _START
    dialog.close()


def test_an_image_is_shown_before_its_digest_is_known_and_a_session_waits_for_it(
    qtbot, window, monkeypatch, make_series, tmp_path
):
    go = threading.Event()

    def slow_hash(volume):
        go.wait(20)
        return image_hash(volume)

    monkeypatch.setattr("saliency_viewer.pipeline.image_hash", slow_hash)
    monkeypatch.setattr("saliency_viewer.readers.open_study", lambda *_: Study("x", (make_series(),)))
    window.intents.open_paths.emit(["x"])
    qtbot.waitUntil(lambda: window.state.volume is not None, timeout=20000)
    case = window.state.case
    assert (case.image_hash, case.name) == ("", "Thorax 1")
    window.saving.save(tmp_path / "early.svsession")
    assert not (tmp_path / "early.svsession").exists()
    go.set()
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)
    digest = image_hash(case.volume)
    assert case.image_hash == digest
    assert case.name.startswith("Case ")
    assert load_session(tmp_path / "early.svsession").image_hash == digest


def test_a_session_keeps_the_chosen_window_with_its_curve(qtbot, show_series, make_series, tmp_path):
    window = show_series(make_series())
    table = Window(100.0, 256.0, "TABLE", "CURVE", bytes(reversed(range(256))))
    window.intents.set_window.emit(table)
    window.intents.toggle_graphics.emit()
    window.saving.save(tmp_path / "work.svsession")
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)
    window.intents.open_paths.emit([str(tmp_path / "work.svsession")])
    qtbot.waitUntil(lambda: window.state.current == 1, timeout=20000)
    kept = window.state.view.window
    assert (kept, kept.table, kept.name) == (table, table.table, "CURVE")
    assert not window.state.view.graphics
    assert window.viewports.views[0].window_shown == table


def test_an_image_that_changed_since_the_session_is_refused_and_nothing_stays_of_it(
    qtbot, show_series, make_series, monkeypatch, tmp_path
):
    window = show_series(make_series(1))
    window.saving.save(tmp_path / "work.svsession")
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)
    changed = replace(make_series(2), uid="1.2.1", number=1)
    monkeypatch.setattr("saliency_viewer.readers.open_study", lambda *_: Study(str(tmp_path), (changed,)))
    seen = []
    window.state.preview_changed.connect(lambda: seen.append(window.state.preview))
    window.intents.open_paths.emit([str(tmp_path / "work.svsession")])
    qtbot.waitUntil(lambda: bool(window.findChildren(MessageDialog)), timeout=20000)
    (dialog,) = window.findChildren(MessageDialog)
    assert "changed since" in dialog.message.text()
    assert seen[0].title == "Image of the session"  # it was shown while its digest was computed
    assert window.state.preview is None
    assert len(window.state.cases) == 1
    dialog.close()


def test_a_report_that_is_dropped_is_refused_with_its_kind(qtbot, window, tmp_path: Path):
    report = pydicom.Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    report.Modality = "SR"
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    window.intents.open_paths.emit([str(tmp_path / "report.dcm")])
    qtbot.waitUntil(lambda: bool(window.findChildren(MessageDialog)), timeout=20000)
    (dialog,) = window.findChildren(MessageDialog)
    assert "SR" in dialog.message.text()
    dialog.close()


# The pool itself


@pytest.fixture
def pool(qtbot):
    made = FilePool()
    yield made
    made.close()
    made.deleteLater()


def test_news_arrives_in_the_windows_thread_thinned_out_and_before_the_end(qtbot, pool):
    said, here = [], QThread.currentThread()

    def work(context):
        for k in range(5000):
            context.report(k / 5000, "Counting")
        return "done"

    def note(what):
        said.append((what, QThread.currentThread() is here))

    with qtbot.waitSignal(pool.idle, timeout=20000):
        pool.run_long(work, note, progressed=lambda fraction, words: note((fraction, words)))
    assert said[0] == ((0.0, "Counting"), True)
    assert said[-1] == ("done", True)
    assert all(thread for _, thread in said)
    assert len(said) < 500


@pytest.mark.parametrize("end", ["result", "error", "heeded"])
def test_a_cancelled_task_tells_nothing_but_that_it_stopped(qtbot, pool, end):
    said, started, go = [], threading.Event(), threading.Event()

    def work(context):
        started.set()
        go.wait(20)
        if end == "heeded":
            context.check()
        if end == "error":
            raise UserError("too late")
        return "late"

    task = pool.run_long(work, said.append, stopped=lambda: said.append("stopped"), failed=said.append)
    qtbot.waitUntil(started.is_set)
    task.cancel()
    with qtbot.waitSignal(pool.idle, timeout=20000):
        go.set()
    assert said == ["stopped"]


def test_a_task_that_is_cancelled_before_its_turn_never_begins(qtbot, pool):
    go, ran, said = threading.Event(), [], []
    for _ in range(2):
        pool.run(lambda: go.wait(20), lambda _: None)
    task = pool.run_long(lambda _context: ran.append(1), said.append, stopped=lambda: said.append("stopped"))
    task.cancel()
    with qtbot.waitSignal(pool.idle, timeout=20000):
        go.set()
    assert (ran, said) == ([], ["stopped"])


def test_closing_stops_what_can_be_stopped(qtbot):
    pool = FilePool()
    started, ended = threading.Event(), threading.Event()

    def work(context):
        started.set()
        try:
            while True:
                context.check()
        finally:
            ended.set()

    pool.run_long(work, lambda _: None)
    qtbot.waitUntil(started.is_set)
    pool.close()
    assert ended.is_set()
    pool.deleteLater()


def test_the_largest_image_is_still_chosen_by_its_pixels(qtbot, show_series, make_series):
    window = show_series(make_series(1, (2, 9, 9)), make_series(2, (4, 9, 9)), make_series(3, (3, 9, 9)))
    assert window.state.current == 1
    np.testing.assert_array_equal(window.state.volume.array, make_series(2, (4, 9, 9)).load().array)
