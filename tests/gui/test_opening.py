"""What reaches the window from outside: files dropped on it, demos, recovered work; and what it remembers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QPushButton, QToolButton

from saliency_viewer.gui.analysis import FIRST_METHODS
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.panels.start import StartPage
from saliency_viewer.gui.reading import kind_of
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.runtime.resources import resource_path
from saliency_viewer.session import Autosave, load_recent, load_settings, recoverable

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)


def _drop(window: MainWindow, *paths: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys, action = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(5, 5), action, data, buttons, keys)
    window.dragEnterEvent(enter)
    assert enter.isAccepted()
    drop = QDropEvent(QPointF(5, 5), action, data, buttons, keys)
    window.dropEvent(drop)
    assert drop.isAccepted()


def test_a_study_and_a_model_dropped_together_are_told_apart(qtbot, window, image, tiny_model) -> None:
    _drop(window, image, tiny_model)
    qtbot.waitUntil(lambda: window.state.volume is not None and window.state.card is not None, timeout=20000)
    assert window.state.volume.geometry.shape == (7, 22, 18)
    assert window.state.card.name == "Tiny plane"


def test_a_dropped_text_is_not_welcome(window) -> None:
    data = QMimeData()
    data.setText("words")
    event = QDragEnterEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    event.ignore()
    window.dragEnterEvent(event)
    assert not event.isAccepted()


def test_zips_are_told_apart_by_what_they_hold(tmp_path, tiny_model, image) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        for file in tiny_model.iterdir():
            archive.write(file, f"tiny/{file.name}")
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        archive.write(image, image.name)
    kinds = {name: kind_of(str(tmp_path / name)) for name in ("model.zip", "study.zip", "absent.zip", "a.svsession")}
    assert kinds == {"model.zip": "model", "study.zip": "study", "absent.zip": "study", "a.svsession": "session"}
    assert kind_of(str(tiny_model / "model.toml")) == "model"


@pytest.mark.parametrize("kind", ["chest", "brain"])
def test_one_click_opens_a_demo_with_its_maps_and_numbers(qtbot, real_window, kind) -> None:
    page = real_window.findChild(StartPage)
    next(b for b in page.findChildren(QPushButton) if b.text() == f"{kind.capitalize()} demo").click()
    qtbot.waitUntil(lambda: len(real_window.state.maps) == 2 and not real_window.busy, timeout=60000)
    assert [one.method for one in real_window.state.maps] == list(FIRST_METHODS)
    assert {row.method for row in real_window.state.case.rows} == set(FIRST_METHODS)
    assert len(real_window.state.regions) >= 2
    assert load_recent().studies == ()  # the demo is no file of the user's


def test_a_real_computation_is_stopped_and_the_next_one_runs(qtbot, real_window, image) -> None:
    real_window.intents.open_paths.emit([str(image), str(resource_path("models", "chest"))])
    qtbot.waitUntil(
        lambda: real_window.state.volume is not None and real_window.state.layers is not None, timeout=60000
    )
    line = next(one for one in real_window.methods.rows if one.method.id == "integrated-gradients")
    next(field for spec, field in line.form._fields if spec.name == "steps").setText("1000")
    real_window.methods.explain()
    qtbot.waitUntil(lambda: real_window.state.compute.fraction > 0.26, timeout=60000)
    real_window.intents.cancel.emit()
    qtbot.waitUntil(lambda: real_window.state.compute.job is None, timeout=20000)
    assert real_window.state.maps == ()
    real_window.methods.tick(("grad-cam",))
    real_window.methods.explain()
    qtbot.waitUntil(lambda: len(real_window.state.maps) == 1, timeout=60000)


_CRASH = """
import os, sys
from pathlib import Path
from saliency_viewer.domain import ImageReference, RegionSet
from saliency_viewer.pipeline import image_hash
from saliency_viewer.readers import load_regions, open_study
from saliency_viewer.session import Autosave, Document
image, mask = sys.argv[1:]
volume = open_study(Path(image)).choose().load()
regions = load_regions(Path(mask), volume.geometry)
keeper = Autosave(interval=0.0)
keeper.changed(Document(image=ImageReference(image), image_hash=image_hash(volume), regions=regions))
os._exit(9)
"""


def test_work_of_a_program_that_crashed_is_offered_and_comes_back(qtbot, window, image, mask) -> None:
    died = subprocess.run([sys.executable, "-c", _CRASH, str(image), str(mask)], env=dict(os.environ), check=False)
    assert died.returncode == 9
    assert len(recoverable()) == 1
    window.desk.offer_recovery()
    (dialog,) = window.findChildren(MessageDialog)
    next(b for b in dialog.findChildren(QPushButton) if b.text() == "Recover").click()
    qtbot.waitUntil(lambda: window.state.regions is not None, timeout=20000)
    assert len(window.state.regions) == 2
    assert load_recent().studies == ()


def test_recovered_work_can_be_thrown_away(window, image, mask) -> None:
    subprocess.run([sys.executable, "-c", _CRASH, str(image), str(mask)], env=dict(os.environ), check=False)
    window.desk.offer_recovery()
    (dialog,) = window.findChildren(MessageDialog)
    next(b for b in dialog.findChildren(QPushButton) if b.text() == "Delete it").click()
    assert recoverable() == ()


def test_the_notice_is_shown_once(window) -> None:
    window.desk.first_run()
    (dialog,) = window.findChildren(MessageDialog)
    next(b for b in dialog.findChildren(QPushButton) if b.text() == "I understand").click()
    assert load_settings().notice_accepted
    window.desk.first_run()
    assert not [one for one in window.findChildren(MessageDialog) if one.isVisible()]


def test_what_was_opened_is_listed_newest_first_and_can_be_forgotten(
    qtbot, window, image, tiny_model, tmp_path
) -> None:
    second = tmp_path / "second" / "scan.nii.gz"
    second.parent.mkdir()
    shutil.copy(image, second)
    for path in (image, second, tiny_model):
        window.intents.open_paths.emit([str(path)])
        qtbot.waitUntil(lambda: not window.pool.busy, timeout=20000)
    assert load_recent().studies == (str(second), str(image))
    assert load_recent().models == (str(tiny_model),)
    button = next(one for one in window.findChildren(QToolButton) if one.text() == "Open ▾")
    button.menu().aboutToShow.emit()
    texts = [action.text() for action in button.menu().actions()]
    assert "second/scan.nii.gz" in texts
    next(action for action in button.menu().actions() if action.text().startswith("Forget")).trigger()
    qtbot.waitUntil(lambda: not window.pool.busy)
    assert load_recent().studies == ()


def test_a_file_that_cannot_be_read_is_not_remembered(qtbot, window, tmp_path) -> None:
    (tmp_path / "bad.nii").write_bytes(b"no image")
    window.intents.open_paths.emit([str(tmp_path / "bad.nii")])
    qtbot.waitUntil(lambda: bool(window.findChildren(MessageDialog)), timeout=20000)
    window.findChildren(MessageDialog)[0].close()
    assert load_recent().studies == ()


def test_the_window_stands_where_it_stood_and_ticks_what_was_ticked(qtbot, tmp_path, process) -> None:
    from saliency_viewer.gui.worker import ComputeWorker

    def make() -> MainWindow:
        made = MainWindow(ComputeWorker(process), Autosave(tmp_path / "autosave"))
        qtbot.addWidget(made)
        return made

    first = make()
    first.layout_memory.restore()
    first.show()
    first.resize(700, 600)  # the screen that is none is small
    first.methods.tick(("hires-cam", "smooth-grad"))
    first.close()
    second = make()
    second.layout_memory.restore()
    assert second.height() == 600  # its width is the least that the window allows
    assert sorted(second.methods.ticked) == ["hires-cam", "smooth-grad"]
    assert all(line.isVisibleTo(second.methods) for line in second.methods.rows if line.check.isChecked())
    third = make()  # a picture without a screen has the same size every time
    assert (third.width(), third.height()) == (1600, 1000)
    third.methods.tick(("gradient",))
    third.close()
    assert sorted(load_settings().last_methods) == ["hires-cam", "smooth-grad"]
    for one in (second, third):
        one.end()


def test_a_disk_that_refuses_does_not_keep_the_window_open(qtbot, tmp_path, process, monkeypatch) -> None:
    from saliency_viewer.gui.worker import ComputeWorker

    (tmp_path / "file").write_text("")
    made = MainWindow(ComputeWorker(process), Autosave(tmp_path / "autosave"))
    qtbot.addWidget(made)
    made.layout_memory.restore()
    made.show()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    made.consent.allow("ab" * 32, True)
    assert made.close()
    assert not made.isVisible()


def test_the_shortcut_explains_what_is_ticked(opened, process) -> None:
    opened.methods.tick(("gradient",))
    opened.actions_by_id["explain"].trigger()
    assert [request.id for request in process.jobs[0].plan.methods] == ["gradient"]
    assert json.dumps(process.jobs[0].plan.to_dict())
