from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PySide6.QtWidgets import QPushButton

from saliency_viewer.attribution import method
from saliency_viewer.domain import parameter_specs
from saliency_viewer.errors import UserError
from saliency_viewer.gui.actions import ACTIONS
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.panels.parameters import ParameterForm
from saliency_viewer.gui.panels.parts import ElidedLabel
from saliency_viewer.gui.viewer import Stroke
from saliency_viewer.pipeline import Done, Failed, Progress, Stopped

# The offscreen platform says this at every window with a smallest size; a screen's platform does not.
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)


def _square(axis: int, index: int, tool: str = "polygon") -> Stroke:
    return Stroke(tool, axis, index, np.array([[2.5, 2.5], [2.5, 8.5], [7.5, 8.5], [7.5, 2.5]]), 2.0)


def test_importing_the_window_loads_no_torch_and_nothing_heavy() -> None:
    code = (
        "import sys, saliency_viewer.gui.window;"
        "print([m for m in ('torch','SimpleITK','matplotlib','scipy.ndimage','pydicom','nibabel') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_every_action_names_an_intent_and_no_shortcut_is_given_twice(window) -> None:
    assert all(hasattr(Intents, row.intent) for row in ACTIONS)
    keys = [row.shortcut for row in ACTIONS]
    assert len(set(keys)) == len(keys)
    assert all(window.actions_by_id[row.id].toolTip().startswith(row.tip) for row in ACTIONS)


def test_explain_sends_a_frozen_plan_and_shows_its_result(qtbot, opened, process, make_result) -> None:
    opened.methods.explain()
    qtbot.waitUntil(lambda: len(process.jobs) == 1)
    job = process.jobs[0]
    assert [request.id for request in job.plan.methods] == ["grad-cam", "integrated-gradients"]
    process.say(Progress(job.id, 0.5, "half"))
    qtbot.waitUntil(lambda: opened.state.compute.fraction == 0.5)
    process.say(Done(job.id, make_result()))
    qtbot.waitUntil(lambda: opened.state.result is not None)
    assert opened.state.compute.job is None
    assert opened.state.amap.method == "grad-cam"


def test_a_stale_result_is_dropped(qtbot, opened, process, make_result) -> None:
    opened.methods.explain()
    opened.methods.explain()
    first, second = process.jobs
    assert process.cancelled == [first.id]
    process.say(Done(first.id, make_result(("gradient",))), Done(second.id, make_result(("grad-cam",))))
    qtbot.waitUntil(lambda: opened.state.result is not None)
    assert [one.method for one in opened.state.maps] == ["grad-cam"]


def test_cancel_asks_the_process_and_keeps_the_window_usable(qtbot, opened, process) -> None:
    opened.methods.explain()
    opened.intents.cancel.emit()
    assert process.cancelled == [process.jobs[0].id]
    assert opened.state.compute.stopping
    process.say(Stopped(process.jobs[0].id))
    qtbot.waitUntil(lambda: opened.state.compute.job is None)
    assert opened.state.volume is not None


def test_a_failure_is_told_in_words_and_the_regions_stay(qtbot, opened, process) -> None:
    opened.intents.stroke.emit(_square(0, 2))
    before = opened.state.regions
    opened.methods.explain()
    process.say(Failed(process.jobs[0].id, "What happened.", "What to do.", "detail"))
    qtbot.waitUntil(lambda: bool(opened.findChildren(MessageDialog)))
    dialog = opened.findChildren(MessageDialog)[0]
    assert (dialog.message.text(), dialog.hint.text()) == ("What happened.", "What to do.")
    assert dialog.detail.isHidden()
    assert opened.state.regions is before
    dialog.close()


def test_explaining_without_an_image_says_what_to_do(qtbot, window) -> None:
    with qtbot.waitSignal(window.state.problem) as said:
        window.intents.explain.emit(None)
    assert isinstance(said.args[0], UserError)
    assert said.args[0].hint == "Open a study first."
    window.findChildren(MessageDialog)[0].close()


def test_strokes_on_several_slices_are_undone_one_by_one(opened) -> None:
    for axis, index in ((0, 1), (0, 4), (1, 9)):
        opened.intents.stroke.emit(_square(axis, index) if axis == 0 else _square(1, 9, "brush"))
    sizes = []
    for _ in range(4):
        regions = opened.state.regions
        sizes.append(regions.regions[0].voxels if len(regions) else None)
        opened.intents.undo.emit()
    # Pixels whose centres lie within 2.5..7.5 by 2.5..8.5: 5 x 6 for each polygon.
    assert sizes[1:] == [60, 30, 0]
    assert sizes[0] > 60
    assert not len(opened.state.regions)
    opened.intents.redo.emit()
    opened.intents.redo.emit()
    assert opened.state.regions.regions[0].voxels == 30


def test_numbers_follow_a_region(qtbot, opened, process, make_result) -> None:
    opened.methods.explain()
    result = make_result()
    process.say(Done(process.jobs[0].id, result))
    qtbot.waitUntil(lambda: opened.state.result is not None)
    opened.intents.stroke.emit(_square(0, 2))
    (name,) = opened.state.regions.names
    qtbot.waitUntil(lambda: any(row.region == name for row in opened.state.case.rows))  # not those of the map alone
    share = next(r.value for r in opened.state.case.rows if (r.region, r.statistic) == (name, "mass_fraction"))
    values = np.maximum(result.maps[0].array.astype(np.float64), 0.0)
    inside = opened.state.regions.get(name).mask(values.shape)
    assert share == pytest.approx(values[inside].sum() / values.sum(), rel=1e-6)
    texts = [opened.evidence.table.item(0, k).text() for k in range(2)]
    assert texts == [name, f"{100 * share:.0f} %"]


def test_a_map_of_a_class_that_was_not_predicted_is_marked(qtbot, opened, process, make_result) -> None:
    opened.methods.explain()
    process.say(Done(process.jobs[0].id, make_result(predicted=False)))
    qtbot.waitUntil(lambda: opened.state.result is not None)
    assert "NOT the predicted class" in opened.viewports.views[0].accessibleDescription()
    assert any("NOT predict" in words for words in opened.model._warnings())


def test_the_planes_share_one_place(opened) -> None:
    opened.intents.set_crosshair.emit((4, 7, 11))
    assert [view.slice_index for view in opened.viewports.views[:3]] == [4, 7, 11]
    opened.intents.set_slice.emit(0, 99)
    assert opened.viewports.views[0].slice_index == 5


def test_the_status_line_gives_place_value_and_unit(opened, volume) -> None:
    opened.intents.probe.emit((1, 2, 3))
    assert f"value {int(volume.array[1, 2, 3])} HU" in opened.status.text
    opened.intents.probe.emit(None)
    assert opened.status.text == ""


def test_unsaved_work_is_asked_about_before_closing(qtbot, opened) -> None:
    opened.intents.stroke.emit(_square(0, 2))
    assert not opened.close()
    assert not opened.close()
    (dialog,) = opened.findChildren(MessageDialog)
    assert "Close without saving" in [button.text() for button in dialog.findChildren(QPushButton)]
    dialog.close()
    opened.close_anyway()
    qtbot.waitUntil(lambda: not opened.isVisible())


_GUARD = """
import gc, sys
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QSlider

class Sender(QObject):
    said = Signal(object)

app = QApplication([])
sender, slider = Sender(), QSlider()
sender.said.connect(lambda value: None)
slider.valueChanged.connect(lambda value: None)
gc.collect()
gc.disable()
before = sys.getrefcount(None)
for k in range(5000):
    sender.said.emit(None)
    slider.setValue(k % 99)
    slider.update()
print(before - sys.getrefcount(None))
"""


def test_calls_that_return_nothing_do_not_use_up_the_reference_to_none() -> None:
    # PySide6 6.12.0 lost one reference at each call. Python 3.12 and later cannot lose it at all.
    # In a process of its own: there, nothing else that goes away takes its references along.
    done = subprocess.run([sys.executable, "-c", _GUARD], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000


def test_parameters_in_a_few_characters_leave_out_what_is_off(qtbot) -> None:
    words = {}
    for key in ("score-cam", "smooth-grad"):
        form = ParameterForm(parameter_specs(method(key).Parameters))
        qtbot.addWidget(form)
        words[key] = form.summary()
    assert words == {"score-cam": "", "smooth-grad": "25 · 0.15"}


def test_a_label_without_room_ends_in_an_ellipsis_and_keeps_its_text(qtbot) -> None:
    made = ElidedLabel("Noise tunnel (integrated gradients)")
    qtbot.addWidget(made)
    made.resize(80, 20)
    assert made.text() == "Noise tunnel (integrated gradients)"
    assert made._shown().endswith("…")
    assert made.minimumSizeHint().width() < made.sizeHint().width()
    made.resize(made.sizeHint())
    assert made._shown() == made.text()
