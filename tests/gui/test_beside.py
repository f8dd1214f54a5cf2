"""Several things opened beside each other: none takes the screen, the preview or the regions of another."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from saliency_viewer.domain import Region, RegionSet, Series, Study
from saliency_viewer.errors import UserError
from saliency_viewer.gui.dialogs.message import MessageDialog

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)


class Disk:
    """Stands for the readers: what lies at which path, and which paths wait to be let on."""

    def __init__(self) -> None:
        self.studies: dict[str, Series | UserError] = {}
        self.first: Series | None = None
        self.scanning: dict[str, threading.Event] = {}

    def open_study(self, path, context=None, found=None):
        if str(path) in self.scanning:
            found(self.first)
            while not self.scanning[str(path)].wait(0.01):
                context.check()
        there = self.studies[str(path)]
        if isinstance(there, UserError):
            raise there
        return Study(str(path), (there,))


@pytest.fixture
def disk(monkeypatch, make_series):
    made = Disk()
    made.first = make_series(9, (1, 9, 11))
    # A plain function, whose signature says that it takes a callback.
    monkeypatch.setattr(
        "saliency_viewer.readers.open_study", lambda p, context=None, found=None: made.open_study(p, context, found)
    )
    yield made
    for event in made.scanning.values():
        event.set()


@pytest.fixture
def gate():
    made = threading.Event()
    yield made
    made.set()


def slow(series: Series, gate: threading.Event) -> Series:
    """The series, whose pixels are there once ``gate`` is open."""
    return replace(series, loader=lambda context: gate.wait(20) and series.loader(context))


def paths(window) -> list[str]:
    return [case.reference.path for case in window.state.cases]


def dismiss(qtbot, window) -> str:
    qtbot.waitUntil(lambda: bool(window.findChildren(MessageDialog)), timeout=20000)
    (dialog,) = window.findChildren(MessageDialog)
    dialog.close()
    return dialog.message.text()


# The screen


def test_an_outline_in_progress_is_kept_when_another_image_is_there(qtbot, opened, disk, gate, make_series) -> None:
    disk.studies["/new"] = slow(make_series(3), gate)
    opened.intents.open_paths.emit(["/new"])
    qtbot.waitUntil(lambda: len(opened.state.cases) == 2, timeout=20000)
    opened.intents.set_tool.emit("polygon")
    tool = opened.viewports.views[0]._tool
    for place in ((60, 60), (120, 60), (120, 120)):
        tool.press(QPointF(*place))
        tool.release(QPointF(*place))
    assert opened.state.drawing
    with qtbot.waitSignal(opened.state.told, timeout=20000) as said:
        gate.set()
    assert "ready" in said.args[0]
    assert (opened.state.current, len(tool._points)) == (0, 3)
    tool.double_click(QPointF(120, 120))
    assert not opened.state.drawing
    assert opened.state.regions.regions[0].voxels > 0
    opened.intents.show_case.emit(1)
    assert opened.state.volume.geometry.shape == (6, 20, 18)


def test_an_outline_that_is_dropped_with_its_tool_is_over(opened) -> None:
    opened.intents.set_tool.emit("polygon")
    opened.viewports.views[0]._tool.press(QPointF(60, 60))
    assert opened.state.drawing
    opened.intents.set_tool.emit("brush")
    assert not opened.state.drawing


def test_who_went_on_to_another_image_stays_there(qtbot, opened, disk, gate, make_series) -> None:
    disk.studies["/one"], disk.studies["/two"] = slow(make_series(1), gate), make_series(2)
    for path in ("/one", "/two"):
        opened.intents.open_paths.emit([path])
        qtbot.waitUntil(lambda path=path: path in paths(opened), timeout=20000)
    qtbot.waitUntil(lambda: opened.state.current == 2, timeout=20000)
    gate.set()
    qtbot.waitUntil(lambda: not opened.pool.busy, timeout=20000)
    assert opened.state.current == 2
    assert opened.state.cases[1].volume is not None


def test_who_goes_back_while_a_folder_is_scanned_is_not_fetched_away(qtbot, opened, disk, make_series) -> None:
    disk.scanning["/folder"], disk.studies["/folder"] = threading.Event(), make_series(1)
    opened.intents.open_paths.emit(["/folder"])
    qtbot.waitUntil(lambda: opened.state.preview is not None, timeout=20000)
    opened.intents.show_case.emit(0)
    assert opened.state.preview is None
    disk.scanning["/folder"].set()
    qtbot.waitUntil(lambda: not opened.pool.busy, timeout=20000)
    assert (opened.state.current, len(opened.state.cases)) == (0, 2)


# Previews and progress


def test_a_path_that_fails_leaves_preview_and_progress_of_another(qtbot, window, disk, make_series) -> None:
    disk.scanning["/good"], disk.studies["/good"] = threading.Event(), make_series(1)
    disk.studies["/bad"] = UserError("The disk went away.")
    window.intents.open_paths.emit(["/good"])
    qtbot.waitUntil(lambda: window.state.preview is not None, timeout=20000)
    seen = window.state.preview
    window.intents.open_paths.emit(["/bad"])
    assert dismiss(qtbot, window) == "The disk went away."
    assert window.state.preview is seen
    assert (window.state.loading.text, window.state.loading.can_stop) == ("Reading the study", True)
    disk.scanning["/good"].set()
    qtbot.waitUntil(lambda: window.state.volume is not None and not window.pool.busy, timeout=20000)
    assert (window.state.preview, window.state.loading.text) == (None, "")


def test_two_scans_hold_up_neither_their_previews_nor_a_third_path(qtbot, window, disk, make_series) -> None:
    for path in ("/large1", "/large2"):
        disk.scanning[path], disk.studies[path] = threading.Event(), make_series(1)
        window.intents.open_paths.emit([path])
    qtbot.waitUntil(lambda: window.state.preview is not None, timeout=20000)
    disk.studies["/small"] = make_series(2)
    window.intents.open_paths.emit(["/small"])
    qtbot.waitUntil(lambda: window.state.volume is not None, timeout=20000)
    assert paths(window) == ["/small"]


# The demo


@pytest.fixture
def demo(monkeypatch, disk, gate, make_series, card):
    """A demo whose image comes when ``gate`` is open; its regions are one lesion."""

    def regions(_path, geometry):
        return RegionSet(geometry, (Region.from_mask("demo lesion", "#E69F00", np.ones(geometry.shape)),))

    monkeypatch.setattr("saliency_viewer.gui.opening.make_demo", lambda kind: Path("/demo") / kind)
    monkeypatch.setattr("saliency_viewer.gui.opening.read_card", lambda _path: (card, None))
    monkeypatch.setattr("saliency_viewer.readers.load_regions", regions)
    disk.studies["/demo/brain/study"] = slow(make_series(1), gate)
    disk.studies["/mine"] = make_series(2)


def test_the_demos_regions_and_maps_are_never_those_of_the_users_study(
    qtbot, window, process, demo, disk, gate
) -> None:
    window.intents.open_demo.emit("brain")
    qtbot.waitUntil(lambda: len(window.state.cases) == 1, timeout=20000)
    window.intents.open_paths.emit(["/mine"])
    qtbot.waitUntil(lambda: window.state.volume is not None, timeout=20000)
    gate.set()
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)
    of_demo, mine = window.state.cases
    assert (window.state.case, mine.reference.path, mine.regions) == (mine, "/mine", None)
    assert of_demo.regions.names == ("demo lesion",)
    assert (process.jobs, window.opening.wants_to_explain) == ([], False)


def test_a_demo_opened_beside_a_study_explains_the_demo(qtbot, opened, process, demo, disk, gate) -> None:
    gate.set()
    opened.intents.open_demo.emit("brain")
    qtbot.waitUntil(lambda: bool(process.jobs), timeout=20000)
    assert [job.plan.image.path for job in process.jobs] == ["/demo/brain/study"]


def test_a_demo_that_fails_leaves_its_regions_to_nobody(qtbot, window, demo, disk) -> None:
    disk.studies["/demo/brain/study"] = UserError("The demo is broken.")
    window.intents.open_demo.emit("brain")
    assert dismiss(qtbot, window) == "The demo is broken."
    window.intents.open_paths.emit(["/mine"])
    qtbot.waitUntil(lambda: window.state.volume is not None and not window.pool.busy, timeout=20000)
    assert window.state.regions is None
    assert not window.opening.wants_to_explain
