"""Several cases in one window: what was asked for one never lands on another, and none is forgotten."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog, QPushButton

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest, Region, RegionSet, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.facts import Case, View
from saliency_viewer.gui.restoring import Restored, view_from
from saliency_viewer.gui.viewer import Stroke
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.regions import RegionEditor
from saliency_viewer.session import Autosave, load_session, recoverable, save_session
from saliency_viewer.spatial import Geometry

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)
SHAPE = (6, 20, 18)


def stroke(index: int = 2) -> Stroke:
    return Stroke("polygon", 0, index, np.array([[2.5, 2.5], [2.5, 8.5], [7.5, 8.5], [7.5, 2.5]]), 2.0)


def regions_on(geometry: Geometry, name: str = "lesion", *warnings: str) -> RegionSet:
    mask = np.zeros(geometry.shape, dtype=bool)
    mask[1:3, 4:9, 5:8] = True
    return RegionSet(geometry, (Region.from_mask(name, "#E69F00", mask),), warnings)


@pytest.fixture
def two(opened):
    """The window with a second case, on a grid of the same shape and another place; the first is shown."""
    array = np.random.default_rng(8).integers(0, 900, SHAPE).astype(np.int16)
    other = Volume(array, Geometry.from_spacing(SHAPE, (5.0, 2.0, 2.0), "patient"), "CT")
    opened.state.add_cases([Case(ImageReference("elsewhere"), None, "Case 2", other, "ef" * 32)])
    opened.first, opened.second = opened.state.cases
    return opened


def test_a_mask_that_arrives_late_belongs_to_the_image_it_was_asked_for(qtbot, two, monkeypatch) -> None:
    go = threading.Event()

    def slow(_path, geometry):
        go.wait(20)
        return regions_on(geometry)

    monkeypatch.setattr("saliency_viewer.readers.load_regions", slow)
    two.intents.import_regions.emit("mask.nii.gz")
    two.intents.show_case.emit(1)
    go.set()
    qtbot.waitUntil(lambda: not two.pool.busy, timeout=20000)
    assert two.second.regions is None
    assert two.first.regions.names == ("lesion",)
    assert two.first.regions.geometry.same_as(two.first.volume.geometry)
    assert (two.first.view.region, two.second.view.region) == ("lesion", None)


def test_regions_of_another_grid_are_refused(two) -> None:
    two.editing.put(two.second, regions_on(two.first.volume.geometry))
    assert not len(two.second.regions or ())
    (dialog,) = two.findChildren(MessageDialog)
    assert "another image" in dialog.message.text()
    dialog.close()


# What was done to an imported mask


def test_what_was_done_to_a_mask_stays_in_sight_and_is_exported(qtbot, two, make_result, tmp_path) -> None:
    left_out = "Parts outside the image are left out: lesion 40 %."
    plan = AnalysisPlan(two.first.reference, "package", (MethodRequest("grad-cam"),))
    two.state.set_result(two.first, plan, make_result())
    two.editing.put(two.first, regions_on(two.first.volume.geometry, "lesion", left_out))
    two.intents.probe.emit((1, 1, 1))
    assert two.notices.isVisible()
    assert two.notices.words.text() == left_out
    assert two.first.warnings == (left_out,)
    draw(two, 0, 2)
    assert two.first.regions.warnings == (left_out,)
    two.intents.export.emit(str(tmp_path / "out"), False)
    settle(qtbot, two)
    (manifest,) = (tmp_path / "out").rglob("manifest*.json")
    assert left_out in manifest.read_text()
    two.intents.show_case.emit(1)
    assert not two.notices.isVisible()


def test_undoing_an_import_takes_back_what_was_said_of_it(two) -> None:
    draw(two, 0, 2)
    two.editing.put(two.first, regions_on(two.first.volume.geometry, "lesion", "The mask was resampled."))
    assert two.notices.words.text() == "The mask was resampled."
    two.intents.undo.emit()
    assert two.first.regions.warnings == ()
    assert not two.notices.isVisible()
    two.intents.redo.emit()
    assert two.first.warnings == ("The mask was resampled.",)


# Saving


def draw(window: MainWindow, position: int, *indices: int) -> None:
    window.intents.show_case.emit(position)
    for index in indices:
        window.intents.stroke.emit(stroke(index))


def settle(qtbot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)


def refuses_to_close(window: MainWindow) -> bool:
    closed = window.close()
    for dialog in window.findChildren(MessageDialog):
        dialog.close()
    return not closed


def test_saving_one_case_leaves_the_other_unsaved_and_its_file_alone(qtbot, two, tmp_path) -> None:
    draw(two, 0, 2)
    two.saving.save(tmp_path / "first.svsession")
    settle(qtbot, two)
    draw(two, 0, 3)
    draw(two, 1, 4)
    assert (two.first.path, two.second.path) == (tmp_path / "first.svsession", None)
    two.saving.save(tmp_path / "second.svsession")
    settle(qtbot, two)
    kept = {name: load_session(tmp_path / f"{name}.svsession") for name in ("first", "second")}
    assert {name: one.image.path for name, one in kept.items()} == {"first": "nowhere", "second": "elsewhere"}
    # 5 x 6 pixels a stroke; the first case's second one came after it was saved.
    assert {name: one.regions.regions[0].voxels for name, one in kept.items()} == {"first": 30, "second": 30}
    assert (two.first.modified, two.second.modified, two.state.modified) == (True, False, True)
    assert refuses_to_close(two)


def test_save_writes_every_case_with_unsaved_work_and_asks_for_the_names_it_lacks(qtbot, two, tmp_path) -> None:
    draw(two, 0, 2)
    two.saving.save(tmp_path / "first.svsession")
    settle(qtbot, two)
    draw(two, 0, 3)
    draw(two, 1, 4)
    two.intents.save.emit()
    (dialog,) = two.findChildren(QFileDialog)
    assert dialog.windowTitle() == "Save session of Case 2"
    dialog.fileSelected.emit(str(tmp_path / "second"))
    dialog.close()
    settle(qtbot, two)
    assert load_session(tmp_path / "first.svsession").regions.regions[0].voxels == 60
    assert load_session(tmp_path / "second.svsession").image.path == "elsewhere"
    assert not two.state.modified


def test_a_case_without_work_is_not_asked_about_while_another_has_some(two) -> None:
    draw(two, 0, 2)
    two.intents.show_case.emit(1)
    two.intents.save.emit()
    (dialog,) = two.findChildren(QFileDialog)
    assert dialog.windowTitle() == "Save session of Case 1"
    dialog.close()


def test_a_file_that_another_case_takes_over_no_longer_counts_as_its_own(qtbot, two, tmp_path) -> None:
    for position in (0, 1):
        draw(two, position, 2)
        two.saving.save(tmp_path / "one.svsession")
        settle(qtbot, two)
    assert load_session(tmp_path / "one.svsession").image.path == "elsewhere"
    assert (two.first.path, two.first.modified, two.second.modified) == (None, True, False)


def test_what_is_drawn_while_a_session_is_written_is_not_saved(qtbot, two, tmp_path, monkeypatch) -> None:
    go = threading.Event()

    def slow(document, path):
        go.wait(20)
        return save_session(document, path)

    monkeypatch.setattr("saliency_viewer.gui.saving.save_session", slow)
    draw(two, 0, 2)
    two.saving.save(tmp_path / "first.svsession")
    draw(two, 0, 3)
    go.set()
    settle(qtbot, two)
    assert load_session(tmp_path / "first.svsession").regions.regions[0].voxels == 30
    assert two.first.modified


def test_a_session_that_is_opened_says_nothing_about_other_cases(two, volume, tmp_path) -> None:
    draw(two, 0, 2)
    third = Case(ImageReference("third"), None, "Case 3", volume, "cd" * 32, path=tmp_path / "third.svsession")
    two.opening._restored(Restored(third, "", None), object())
    assert (two.first.modified, third.modified) == (True, False)
    assert refuses_to_close(two)


def test_an_opened_session_is_saved_to_where_it_came_from(qtbot, window, image, tmp_path) -> None:
    window.intents.open_paths.emit([str(image)])
    qtbot.waitUntil(lambda: window.state.volume is not None and not window.pool.busy, timeout=20000)
    window.saving.save(tmp_path / "work.svsession")
    settle(qtbot, window)
    window.intents.open_paths.emit([str(tmp_path / "work.svsession")])
    qtbot.waitUntil(lambda: window.state.current == 1, timeout=20000)
    window.intents.stroke.emit(stroke())
    window.intents.save.emit()
    settle(qtbot, window)
    assert not window.state.modified
    assert load_session(tmp_path / "work.svsession").regions.regions[0].voxels == 30


# Autosave


def kept_voxels(window: MainWindow) -> dict[str, int]:
    found = [load_session(path) for path in window.autosaving.paths if path.exists()]
    return {one.image.path: one.regions.regions[0].voxels for one in found}


@pytest.fixture
def eager(two):
    """The window with an autosave that never waits."""
    two.autosaving._first = Autosave(two.autosaving._first._folder, 0.0)
    return two


def test_every_case_with_unsaved_work_is_autosaved_until_it_is_saved(qtbot, eager, tmp_path) -> None:
    draw(eager, 0, 2)
    draw(eager, 1, 2, 3)
    eager.autosaving.tick()
    settle(qtbot, eager)
    assert kept_voxels(eager) == {"nowhere": 30, "elsewhere": 60}
    eager.saving.save(tmp_path / "second.svsession")
    settle(qtbot, eager)
    assert kept_voxels(eager) == {"nowhere": 30}
    assert len(list((tmp_path / "autosave").glob("*.svsession"))) == 1


def test_the_last_edits_are_autosaved_when_the_interval_is_over(qtbot, two, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr("saliency_viewer.session.autosave.time.monotonic", lambda: now[0])
    for moment, index in ((100.0, 2), (110.0, 3)):
        now[0] = moment
        draw(two, 0, index)
        two.autosaving.tick()
        settle(qtbot, two)
    assert kept_voxels(two) == {"nowhere": 30}
    now[0] = 131.0
    two.autosaving.tick()
    settle(qtbot, two)
    assert kept_voxels(two) == {"nowhere": 60}


def test_reading_does_not_hold_up_the_autosave(qtbot, eager) -> None:
    go = threading.Event()
    for lane in ("scan", "load", "quick"):
        for _ in range(3):
            eager.pool.run(lambda: go.wait(20), lambda _: None, lane=lane)
    draw(eager, 0, 2)
    eager.autosaving.tick()
    qtbot.waitUntil(lambda: kept_voxels(eager) == {"nowhere": 30}, timeout=20000)
    assert eager.pool.busy
    go.set()
    settle(qtbot, eager)


def test_what_is_drawn_while_an_autosave_is_written_is_in_the_next(qtbot, eager, monkeypatch) -> None:
    go = threading.Event()

    def slow(document, path):
        go.wait(20)
        return save_session(document, path)

    monkeypatch.setattr("saliency_viewer.session.autosave.save_session", slow)
    draw(eager, 0, 2)
    eager.autosaving.tick()
    draw(eager, 0, 3)
    go.set()
    settle(qtbot, eager)
    assert kept_voxels(eager) == {"nowhere": 30}
    eager.autosaving.tick()
    settle(qtbot, eager)
    assert kept_voxels(eager) == {"nowhere": 60}


def test_a_disk_that_refuses_autosaves_is_told_once_and_tried_again(qtbot, eager, monkeypatch) -> None:
    tries = []

    def full(*_):
        tries.append(1)
        raise UserError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr("saliency_viewer.session.autosave.save_session", full)
        draw(eager, 0, 2)
        for _ in range(3):
            eager.autosaving.tick()
            settle(qtbot, eager)
    (dialog,) = eager.findChildren(MessageDialog)
    dialog.close()
    assert len(tries) == 3
    eager.autosaving.tick()
    settle(qtbot, eager)
    assert kept_voxels(eager) == {"nowhere": 30}


def test_closing_without_saving_leaves_no_autosave_behind(qtbot, eager, tmp_path) -> None:
    draw(eager, 0, 2)
    draw(eager, 1, 2)
    eager.autosaving.tick()
    settle(qtbot, eager)
    go = threading.Event()
    eager.pool.run(lambda: go.wait(20), lambda _: None, lane="write")  # what is removed must not depend on its turn
    eager.close_anyway()
    threading.Timer(0.3, go.set).start()
    qtbot.waitUntil(lambda: not eager.isVisible(), timeout=20000)
    assert list((tmp_path / "autosave").iterdir()) == []


def test_recovered_work_of_several_cases_is_unsaved_and_goes_on_in_its_own_file(
    qtbot, window, image, tmp_path, monkeypatch
) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    twin = tmp_path / "twin.nii.gz"
    twin.write_bytes(image.read_bytes())
    window.intents.open_paths.emit([str(image), str(twin)])
    qtbot.waitUntil(lambda: len(window.state.cases) == 2 and not window.pool.busy, timeout=20000)
    for position in (0, 1):
        window.intents.show_case.emit(position)
        qtbot.waitUntil(lambda at=position: window.state.current == at, timeout=20000)
        window.intents.stroke.emit(stroke())
        window.saving.save(state / "saliency-viewer" / "autosave" / f"{position}.svsession")  # as a dead program would
        settle(qtbot, window)
    window.desk.offer_recovery()
    (dialog,) = window.findChildren(MessageDialog)
    next(b for b in dialog.findChildren(QPushButton) if b.text() == "Recover").click()
    qtbot.waitUntil(lambda: len(window.state.cases) == 4 and not window.pool.busy, timeout=20000)
    recovered = window.state.cases[2:]
    assert {one.reference.path for one in recovered} == {str(image), str(twin)}
    assert all(one.modified and one.path is None for one in recovered)
    window.autosaving.tick()
    settle(qtbot, window)
    assert recoverable() == ()  # they belong to a running program now
    window.state.forget_changes()
    settle(qtbot, window)
    assert list((state / "saliency-viewer" / "autosave").iterdir()) == []


# Damaged sessions


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"index": ["a", 0, 0]},
        {"index": [1.5, 0, 0]},
        {"index": [10**30, 0, 0]},
        {"fade": "x", "threshold": "x"},
        {"fade": None, "threshold": []},
        {"fade": float("nan"), "threshold": float("nan")},
        {"method": 5, "region": [1], "window": 5},
    ],
)
def test_a_damaged_view_is_the_usual_one(stored, volume) -> None:
    assert view_from(stored, volume) == View(index=(3, 10, 9))


def test_a_share_beyond_its_range_is_clipped(volume) -> None:
    view = view_from({"fade": float("inf"), "threshold": -(10**400)}, volume)
    assert (view.fade, view.threshold) == (1.0, 0.0)


def test_regions_of_another_size_than_the_image_of_their_session_are_refused(
    qtbot, show_series, make_series, tmp_path
) -> None:
    window = show_series(make_series(1))
    case = window.state.case
    case.editor = RegionEditor(regions_on(Geometry.from_spacing((9, 20, 18))))
    window.saving.save(tmp_path / "work.svsession")
    settle(qtbot, window)
    window.intents.open_paths.emit([str(tmp_path / "work.svsession")])
    qtbot.waitUntil(lambda: bool(window.findChildren(MessageDialog)), timeout=20000)
    (dialog,) = window.findChildren(MessageDialog)
    assert "damaged" in dialog.message.text()
    assert window.state.cases == [case]
    dialog.close()
