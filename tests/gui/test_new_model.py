"""The dialog that makes a model package from a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from saliency_viewer.domain import Prediction
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.new_model.dialog import NewModelDialog
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.models import LayerNode, read_card
from saliency_viewer.models.checking import Finding
from saliency_viewer.models.recognition import Candidate, Fit, Form, Inspection
from saliency_viewer.pipeline import (
    Answered,
    Failed,
    InspectCheckpoint,
    Progress,
    SavePackage,
    Stopped,
    Trial,
    TryPackage,
)

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)

DENSENET = Candidate("torchvision:densenet121", {"num_classes": 2}, 2, 2, 3, (224, 224), Fit(606))
NEAR = Candidate(
    "torchvision:densenet169",
    {"num_classes": 2},
    2,
    2,
    3,
    (224, 224),
    Fit(500, missing=("a.weight", "b.weight")),
    ("Note.",),
)
FOUND = Inspection(Form("", "weights", "weights.safetensors"), (DENSENET, NEAR), tensors=606, numbers=7_000_000)
VOLUME = Candidate("monai:DenseNet121", {"spatial_dims": 3, "in_channels": 1, "out_channels": 1}, 1, 3, 1, (), Fit(606))
UNKNOWN = Inspection(
    Form("", "weights", "weights.safetensors"),
    (),
    Candidate("", {}, 7, 3, 1),
    ("no", "yes"),
    4,
    99,
    ("a",),
    ("Broken.",),
)
LAYERS = LayerNode("", "", "Net", (2,), children=(LayerNode("0", "features", "Conv2d", (4, 8, 8), True),))
SAID = Prediction(("class 0", "class 1"), np.array([0.0, 1.0]), np.array([0.27, 0.73]), 1)


def trial(*findings: Finding, picture: bool = True) -> Trial:
    pixels = np.zeros((60, 140, 3), dtype=np.uint8) if picture else None
    words = "Grad-CAM for class 1" if picture else ""
    return Trial(("A fact.",), findings, LAYERS, SAID if picture else None, pixels, words)


@pytest.fixture
def dialog(qtbot, opened: MainWindow, process) -> NewModelDialog:
    """The dialog with a checkpoint that was looked into, in a window with an image."""
    opened.intents.new_model_dialog.emit()
    made = opened.making.dialog
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(made)
    answer(qtbot, made, process, FOUND)
    yield made
    made.reject()


def answer(qtbot, dialog: NewModelDialog, process, found: Inspection, path: str = "/models/secret.pt") -> None:
    """Choose a file, and have the compute process say this of it."""
    dialog.checkpoint.line.setText(f"file://{path}")
    qtbot.waitUntil(lambda: any(one.request == InspectCheckpoint(path) for one in process.errands))
    process.say(Answered(process.errands[-1].id, found))
    qtbot.waitUntil(lambda: dialog.try_.isEnabled())


def check(qtbot, dialog: NewModelDialog, process, found: Trial) -> None:
    dialog.try_.click()
    assert isinstance(process.errands[-1].request, TryPackage)
    process.say(Answered(process.errands[-1].id, found))
    qtbot.waitUntil(lambda: dialog.try_.isEnabled())


def shown(dialog: NewModelDialog) -> str:
    """Every word on the right half that can be seen."""
    from PySide6.QtWidgets import QLabel

    return " | ".join(one.text() for one in dialog.outcome.findChildren(QLabel) if one.isVisible() and one.text())


def test_it_opens_from_the_models_menu_once_at_a_time(opened: MainWindow) -> None:
    opened.actions_by_id["new-model"].trigger()
    first = opened.making.dialog
    opened.intents.new_model_dialog.emit()
    assert opened.making.dialog is first
    assert not first.keep.isEnabled()
    assert not first.try_.isEnabled()
    first.reject()
    assert opened.making.dialog is None


def test_the_guess_fills_the_form(dialog, process) -> None:
    assert process.errands[-1].request.checkpoint == "/models/secret.pt"
    assert "secret" not in repr(process.errands[-1])
    assert "those of torchvision:densenet121 with 2 outputs" in dialog.found.text()
    assert dialog.network.architecture.currentText() == "torchvision:densenet121"
    assert dialog.network.arguments.text() == "num_classes = 2"
    card = dialog.package().card
    assert (card.input.layout, card.input.channels, card.input.size) == ("2d", 3, (224, 224))
    assert (card.output.classes, card.output.activation) == (("class 0", "class 1"), "softmax")
    assert [step["step"] for step in card.input.intensity] == ["scale", "normalize"]
    assert not dialog.fields.outputs.isVisible()


def test_what_is_edited_is_what_is_checked(qtbot, dialog, process) -> None:
    fields = dialog.fields
    fields.classes.item(0, 0).setText("PA")
    fields.classes.item(1, 0).setText("AP supine")
    fields.name.setText("Views")
    fields.modality.setText("cr; DX")
    fields.layer.setText("features")
    fields.activation.setCurrentIndex(fields.activation.findData("sigmoid"))
    fields.fit.setCurrentIndex(fields.fit.findData("stretch"))
    fields.intensity.setCurrentIndex(fields.intensity.findData("window"))
    fields.levels[0].setValue(-600)
    fields.levels[1].setValue(1500)
    fields.sides[1].setValue(320)
    check(qtbot, dialog, process, trial())
    request = process.errands[-1].request
    card = request.new.card
    assert card.output.classes == ("PA", "AP supine")
    assert (card.name, card.modality, card.explain.layer) == ("Views", ("CR", "DX"), "features")
    assert (card.output.activation, card.input.fit, card.input.size) == ("sigmoid", "stretch", (320, 224))
    assert card.input.intensity[0] == {"step": "window", "center": -600.0, "width": 1500.0}
    assert request.image.path == "nowhere"


def test_another_candidate_brings_its_own_guess_and_notes(qtbot, dialog) -> None:
    dialog.network.architecture.setCurrentIndex(1)
    dialog.network.architecture.activated.emit(1)
    assert dialog.package().card.architecture == "torchvision:densenet169"
    assert "Note." in dialog.network.notes.text()


def test_a_volume_network_asks_for_three_sides_and_two_classes_of_one_output(qtbot, dialog, process) -> None:
    found = Inspection(Form("", "weights", "weights.safetensors"), (VOLUME,), tensors=606)
    answer(qtbot, dialog, process, found, "/models/other.pt")
    assert dialog.fields.sides[0].isVisible()
    assert not dialog.fields.layout_.isEnabled()
    card = dialog.package().card
    assert (card.input.layout, len(card.input.size), card.output.activation) == ("3d", 3, "sigmoid")
    assert len(card.output.classes) == 2


def test_a_program_that_takes_its_channels_last_keeps_that_order(qtbot, dialog, process) -> None:
    program = Candidate("onnx", {}, 2, 2, 3, (64, 48), channels_last=True)
    answer(qtbot, dialog, process, Inspection(Form("onnx", "an ONNX network", "network.onnx"), (program,)), "/n.onnx")
    card = dialog.package().card
    assert (card.input.order, card.input.size, card.weights) == ("channels_last", (64, 48), "network.onnx")


def test_an_unknown_network_is_described_by_its_shapes_and_can_be_typed(qtbot, dialog, process) -> None:
    answer(qtbot, dialog, process, UNKNOWN, "/models/other.pt")
    assert dialog.refused.text() == "Broken."
    assert "no network that is known" in dialog.network.notes.text()
    dialog.try_.click()
    assert "architecture" in dialog.error.text()
    dialog.network.architecture.setEditText("monai:resnet10")
    dialog.network.architecture.lineEdit().editingFinished.emit()
    dialog.network.arguments.setText("num_classes = 7")
    card = dialog.package().card
    assert (card.architecture, dict(card.arguments)) == ("monai:resnet10", {"num_classes": 7})
    assert (card.input.layout, len(card.output.classes)) == ("3d", 7)


def test_the_answer_the_map_and_the_layers_are_shown_before_saving(qtbot, dialog, process) -> None:
    assert not dialog.keep.isEnabled()
    check(qtbot, dialog, process, trial(Finding("warning", "Odd.", "Mend it.")))
    for part in ("Grad-CAM for class 1", "0.73", "Odd.", "Mend it.", "A fact."):
        qtbot.waitUntil(lambda part=part: part in shown(dialog))
    assert dialog.outcome.picture.pixmap().width() == 140
    dialog.outcome.tabs[1].click()
    (item,) = dialog.outcome.layers.items()
    dialog.outcome.layers.itemDoubleClicked.emit(item, 0)
    assert dialog.fields.layer.text() == "features"


def test_after_a_change_it_has_to_be_checked_again(qtbot, dialog, process) -> None:
    check(qtbot, dialog, process, trial())
    assert dialog.keep.isEnabled()
    dialog.fields.classes.item(0, 0).setText("other")
    assert not dialog.keep.isEnabled()
    qtbot.waitUntil(lambda: "changed since this check" in shown(dialog))
    check(qtbot, dialog, process, trial())
    assert dialog.keep.isEnabled()
    assert "changed since" not in shown(dialog)


def test_faults_are_shown_and_keep_it_from_being_saved(qtbot, dialog, process) -> None:
    check(qtbot, dialog, process, trial(Finding("fault", "It is dead."), picture=False))
    qtbot.waitUntil(lambda: "It is dead." in shown(dialog))
    assert "mend them" in dialog.error.text()
    assert not dialog.keep.isEnabled()


def test_without_an_image_it_says_why_nothing_was_asked(qtbot, window, process) -> None:
    window.intents.new_model_dialog.emit()
    dialog = window.making.dialog
    answer(qtbot, dialog, process, FOUND)
    check(qtbot, dialog, process, trial(picture=False))
    assert process.errands[-1].request.image is None
    qtbot.waitUntil(lambda: "No image is open" in shown(dialog))
    assert dialog.keep.isEnabled()
    dialog.reject()


def test_the_buttons_stay_on_a_small_screen(dialog) -> None:
    room = dialog.screen().availableGeometry()
    assert room.height() < 820  # as high as the dialog is where there is room
    for button in (dialog.try_, dialog.keep):
        assert room.contains(button.mapToGlobal(button.rect().bottomRight()))


def test_what_is_odd_in_a_file_is_said_in_the_colour_of_warnings(qtbot, dialog, process) -> None:
    answer(qtbot, dialog, process, replace(FOUND, warnings=("Values are not numbers.",)), "/models/odd.pt")
    assert dialog.refused.isVisible()
    assert dialog.refused.text() == "Values are not numbers."
    assert dialog.try_.isEnabled()
    answer(qtbot, dialog, process, FOUND, "/models/sound.pt")
    assert not dialog.refused.isVisible()


@pytest.mark.parametrize("at", ["checkpoint", "check"])
def test_what_goes_wrong_is_said_in_the_dialog(qtbot, dialog, process, at) -> None:
    if at == "checkpoint":
        dialog.checkpoint.line.setText("/models/other.pt")
        qtbot.waitUntil(lambda: process.errands[-1].request.paths == ("/models/other.pt",))
    else:
        dialog.try_.click()
    process.say(Failed(process.errands[-1].id, "It is pickled.", "Convert it."))
    place = dialog.refused if at == "checkpoint" else dialog.error
    qtbot.waitUntil(lambda: place.text() == "It is pickled. Convert it.")
    assert place.isVisible()
    assert dialog.try_.isEnabled() == (at == "check")
    assert dialog.network.isVisible() == (at == "check")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d.fields.classes.item(0, 0).setText(""), "name of its own"),
        (lambda d: d.fields.classes.item(0, 0).setText("class 1"), "name of its own"),
        (lambda d: d.network.arguments.setText("num_classes 2"), "cannot be read"),
        (lambda d: d.network.architecture.setEditText("python:net.py:Net"), "model new"),
    ],
)
def test_a_slip_is_said_at_once_and_nothing_is_sent(dialog, process, spoil, words) -> None:
    before = len(process.errands)
    spoil(dialog)
    dialog.try_.click()
    assert words in dialog.error.text()
    assert len(process.errands) == before


def test_it_tells_how_far_it_is_and_can_be_stopped(qtbot, dialog, process) -> None:
    dialog.try_.click()
    number = process.errands[-1].id
    process.say(Progress(number, 0.4, "Asking the network"))
    qtbot.waitUntil(lambda: dialog.words.text() == "Asking the network")
    assert dialog.bar.isVisible()
    assert not dialog.try_.isEnabled()
    dialog.halt.click()
    assert process.cancelled[-1] == number
    process.say(Stopped(number))
    qtbot.waitUntil(lambda: dialog.try_.isEnabled())
    assert dialog.words.text() == "Stopped."


def test_closing_stops_what_runs_and_late_answers_find_nobody(qtbot, opened, dialog, process) -> None:
    dialog.try_.click()
    number = process.errands[-1].id
    dialog.reject()
    assert process.cancelled[-1] == number
    with qtbot.waitSignal(opened.worker.answered):
        process.say(Answered(number, trial()))
    assert opened.making.dialog is None


def test_the_package_that_was_checked_is_saved_and_chosen(
    qtbot, opened, dialog, process, tiny_model, monkeypatch
) -> None:
    check(qtbot, dialog, process, trial())
    checked = process.errands[-1].request.new
    dialog.keep.click()
    (asked,) = dialog.findChildren(QFileDialog)
    assert asked.acceptMode() == QFileDialog.AcceptMode.AcceptSave
    asked.close()
    dialog.save_to(str(tiny_model))
    (question,) = dialog.findChildren(MessageDialog)
    keep, replace_it = question.buttons
    assert keep.isDefault()
    assert not isinstance(process.errands[-1].request, SavePackage)
    replace_it.click()
    request = process.errands[-1].request
    assert isinstance(request, SavePackage)
    assert (request.new, request.out) == (checked, str(tiny_model))
    process.say(Answered(process.errands[-1].id, str(tiny_model)))
    qtbot.waitUntil(lambda: opened.state.model_path == str(tiny_model))
    assert opened.making.dialog is None


def test_a_real_checkpoint_becomes_the_windows_model(qtbot, real_window, image, tmp_path: Path) -> None:
    from saliency_viewer.models.builtin import SmallCNN

    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.save({"state_dict": SmallCNN(2, 1, 2, 4, 1).state_dict()}, tmp_path / "w.ckpt")
    window = real_window
    window.intents.open_paths.emit([str(image)])
    qtbot.waitUntil(lambda: window.state.volume is not None and not window.pool.busy, timeout=20000)
    window.intents.new_model_dialog.emit()
    dialog = window.making.dialog
    dialog.checkpoint.line.setText(str(tmp_path / "w.ckpt"))
    qtbot.waitUntil(lambda: dialog.try_.isEnabled(), timeout=90000)
    assert dialog.network.architecture.currentText() == "builtin:small-cnn-2d"
    for side in dialog.fields.sides[1:]:
        side.setValue(24)
    dialog.try_.click()
    qtbot.waitUntil(lambda: dialog.keep.isEnabled(), timeout=90000)
    assert not dialog.outcome.picture.pixmap().isNull()
    dialog.save_to(str(tmp_path / "package"))
    qtbot.waitUntil(lambda: window.state.layers is not None, timeout=60000)
    assert window.state.card.input.size == (24, 24)
    assert read_card(tmp_path / "package")[0] == window.state.card
