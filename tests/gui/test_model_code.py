"""A model package that brings Python code: nothing of it runs before the user said so."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton

from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.models import LayerNode, OwnCode
from saliency_viewer.pipeline import Answered, Failed, ModelDescription
from saliency_viewer.session import load_settings

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)
CODE = OwnCode("net.py", "Net", b"class Net: ...")


def _questions(window: MainWindow) -> list[MessageDialog]:
    return [dialog for dialog in window.findChildren(MessageDialog) if dialog.isVisible()]


def _press(dialog: MessageDialog, text: str) -> None:
    next(button for button in dialog.findChildren(QPushButton) if button.text() == text).click()


@pytest.fixture
def with_code(opened, card) -> MainWindow:
    opened.state.set_model("other package", card, CODE)
    return opened


def test_the_user_sees_the_code_and_its_digest_before_anything_is_loaded(with_code, process) -> None:
    dialog = _questions(with_code)[0]
    assert "class Net: ..." in dialog.detail.toPlainText()
    assert CODE.digest in dialog.detail.toPlainText()
    assert [job.request.model for job in process.models] == ["package"]
    dialog.close()


def test_explaining_waits_for_the_answer_and_asks_once(qtbot, with_code, process) -> None:
    with_code.methods.explain()
    assert len(_questions(with_code)) == 1
    assert process.jobs == []
    _press(_questions(with_code)[0], "Allow this time")
    assert [job.allowed_code for job in process.jobs] == [frozenset({CODE.digest})]
    assert process.models[-1].allowed_code == frozenset({CODE.digest})
    assert load_settings().trusted_code == ()


@pytest.mark.parametrize("how", ["Do not run it", "escape"])
def test_after_a_no_nothing_runs_and_the_next_wish_asks_again(with_code, process, how) -> None:
    with_code.methods.explain()
    dialog = _questions(with_code)[0]
    _press(dialog, how) if how != "escape" else dialog.reject()
    assert process.jobs == []
    with_code.methods.explain()
    assert len(_questions(with_code)) == 1
    _questions(with_code)[0].close()


def test_always_is_remembered_for_these_bytes_only(with_code, process, card) -> None:
    _press(_questions(with_code)[0], "Always allow this file")
    assert load_settings().trusted_code == (CODE.digest,)
    changed = OwnCode("net.py", "Net", CODE.source + b"# changed")
    assert with_code.consent.covers(CODE)
    assert not with_code.consent.covers(changed)
    with_code.state.set_model("other package", card, changed)
    assert len(_questions(with_code)) == 1
    _questions(with_code)[0].close()


def test_the_command_lines_consent_covers_the_session_and_no_more_than_the_file(with_code) -> None:
    _questions(with_code)[0].close()
    with_code.consent.everything = True
    assert with_code.consent.digests(CODE) == frozenset({CODE.digest})
    assert with_code.consent.digests(None) == frozenset()


def test_a_model_is_loaded_when_chosen_and_its_layers_are_known(qtbot, opened, process, card) -> None:
    first = process.models[0]
    opened.state.set_model("second", card)
    assert process.cancelled == [first.id]
    layers = LayerNode("", "", "Net", (2,), children=(LayerNode("0", "0", "Conv2d", (4, 8, 8), True),))
    described = ModelDescription("ab" * 32, layers)
    process.say(Answered(process.models[1].id, described))
    qtbot.waitUntil(lambda: opened.state.layers == layers)
    opened.state.set_model("third", card)
    assert opened.state.layers is None


def test_layers_of_an_older_model_never_stand_for_one_that_waits_for_consent(qtbot, with_code, process) -> None:
    older = process.models[0]
    assert process.cancelled == [older.id]
    with qtbot.waitSignal(with_code.worker.answered):  # waiting begins first: the worker's thread may be quick
        process.say(Answered(older.id, ModelDescription("ab" * 32, LayerNode("", "", "Older"))))
    assert with_code.state.layers is None
    _questions(with_code)[0].close()


def test_a_package_that_cannot_be_loaded_is_said_when_it_is_chosen(qtbot, opened, process) -> None:
    process.say(Failed(process.models[0].id, "The model package has no file 'w'.", "Add it."))
    qtbot.waitUntil(lambda: bool(_questions(opened)))
    assert _questions(opened)[0].message.text() == "The model package has no file 'w'."
    _questions(opened)[0].close()


_NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


@pytest.fixture
def python_package(tmp_path: Path) -> Path:
    from saliency_viewer.models import write_package

    card = """
    [model]
    name = "Own"
    architecture = "python:net.py:Net"
    weights = "weights.safetensors"
    [output]
    classes = ["well", "sick"]
    [input]
    size = [24, 24]
    """
    names: dict[str, type] = {}
    exec(_NET, names)
    write_package(tmp_path / "own", card, names["Net"]().state_dict())
    (tmp_path / "own" / "net.py").write_text(_NET)
    return tmp_path / "own"


def test_own_code_goes_through_the_real_process(qtbot, real_window, image, python_package) -> None:
    window = real_window
    window.intents.open_paths.emit([str(image), str(python_package)])
    window.opening.explain_when_ready()
    qtbot.waitUntil(lambda: bool(_questions(window)), timeout=20000)
    _press(_questions(window)[0], "Allow this time")
    qtbot.waitUntil(lambda: len(window.state.maps) == 2 and not window.busy, timeout=60000)
    qtbot.waitUntil(lambda: window.state.layers is not None)
    assert [node.path for node in window.state.layers.walk() if node.has_maps] == ["body", "body.0", "body.1"]
    # What was allowed is these bytes: a file that changed on disk in the meantime is not run.
    (python_package / "net.py").write_text(_NET + "# changed")
    window.methods.explain()
    qtbot.waitUntil(lambda: bool(_questions(window)), timeout=20000)
    assert "was not run" in _questions(window)[0].message.text()
    _questions(window)[0].close()
