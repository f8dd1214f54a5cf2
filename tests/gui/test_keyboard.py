"""The pages without a mouse: every part that takes the keyboard has a name, and Tab goes down the page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QComboBox, QPlainTextEdit, QPushButton, QToolButton, QWidget

from saliency_viewer.domain import Contender
from saliency_viewer.gui.comparing.state import Entry
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.new_model.dialog import NewModelDialog
from saliency_viewer.gui.panels.form_area import FormArea
from saliency_viewer.gui.training.page import TrainingPage
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.models.recognition import Candidate, Form, Inspection
from saliency_viewer.pipeline import compare_results

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)


def _stops(page: QWidget) -> Iterator[QWidget]:
    """Where Tab stops on a page, in its order."""
    one = page.nextInFocusChain()
    while one is not page:
        wanted = one.focusPolicy() & Qt.FocusPolicy.TabFocus and one.isVisibleTo(page) and one.isEnabled()
        if wanted and page.isAncestorOf(one) and one.focusProxy() is None:
            yield one
        one = one.nextInFocusChain()


def _name(widget: QWidget) -> str:
    found = QAccessible.queryAccessibleInterface(widget)
    return found.text(QAccessible.Text.Name) if found is not None else ""


@pytest.fixture
def comparison(opened: MainWindow, card, make_result) -> MainWindow:
    """The comparison page with two models that have answered, made in another order than they are read."""
    opened.actions_by_id["compare"].trigger()
    state = opened.comparing.state
    state.set_entries([*state.entries, Entry("second", replace(card, name="Other"))])
    state.set_methods(("grad-cam", "integrated-gradients"))
    for entry in state.entries:
        entry.result, entry.stage = make_result(state.methods), "done"
    contenders = tuple(Contender(one.name, one.path, one.result) for one in state.entries)
    state.set_comparison(compare_results(contenders, None))
    state.touch()
    return opened


@pytest.fixture
def training(window: MainWindow) -> TrainingPage:
    window.intents.training_page.emit()
    page = window.desk.training_page
    page.form._more.click()
    return page


@pytest.fixture
def dialog(qtbot, opened: MainWindow) -> NewModelDialog:
    opened.intents.new_model_dialog.emit()
    made = opened.making.dialog
    made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(made)
    form = Form("", "weights", "weights.safetensors")
    made.show_inspection(
        Inspection(form, (Candidate("torchvision:densenet121", {"num_classes": 2}, 2, 2, 3, (64, 64)),))
    )
    yield made
    made.reject()


def _nameless(page: QWidget) -> list[str]:
    return [f"{type(one).__name__} at {one.pos().toTuple()}" for one in _stops(page) if not _name(one).strip()]


def _choices_named_by_value(page: QWidget) -> list[str]:
    """A combo box without a name of its own is called by its value, which does not say what is chosen."""
    return [box.currentText() for box in page.findChildren(QComboBox) if box.isVisible() and not box.accessibleName()]


def test_everything_that_takes_the_keyboard_says_what_it_is(comparison, training, dialog) -> None:
    for page in (comparison.compare, training, dialog):
        assert len(list(_stops(page))) > 10
        assert _nameless(page) == []
        assert _choices_named_by_value(page) == []


def test_tab_goes_through_the_comparison_row_by_row(comparison) -> None:
    names = [one.accessibleName() or _name(one) for one in _stops(comparison.compare)]
    grid = [f"{row} · {method}" for row in ("Image",) for method in ("Grad-CAM", "Integrated gradients")]
    for row in ("Tiny", "Other"):
        grid += [f"Remove {row}", f"{row} · Grad-CAM", f"{row} · Integrated gradients"]
    grid += ["Disagreement · Grad-CAM", "Disagreement · Integrated gradients"]
    first = names.index(grid[0])
    assert names[first : first + len(grid)] == grid
    assert names.index("Run") < names.index("Colours") < first
    assert names.index("Between models") == first + len(grid)


@pytest.mark.parametrize("name", ["training", "dialog"])
def test_tab_goes_down_a_form(name, request) -> None:
    page = request.getfixturevalue(name)
    QApplication.processEvents()  # the layout of what was just shown
    fields = [one for one in _stops(page) if not isinstance(one, QPushButton | QPlainTextEdit | QToolButton)]
    down = [one.mapTo(page, QPoint(0, 0)).y() for one in fields]
    assert all(after >= before - 8 for before, after in itertools.pairwise(down))


def test_escape_leaves_the_training_page_and_the_dialog(qtbot, training, dialog) -> None:
    for page in (training, dialog):
        page.activateWindow()
        qtbot.waitUntil(page.isActiveWindow)
        qtbot.keyClick(page, Qt.Key.Key_Escape)
        qtbot.waitUntil(lambda page=page: not page.isVisible())


def test_escape_asks_while_a_training_runs(qtbot, training) -> None:
    training._training.run = replace(training._training.run, phase="running")
    training.activateWindow()
    qtbot.waitUntil(training.isActiveWindow)
    qtbot.keyClick(training, Qt.Key.Key_Escape)
    (question,) = training.findChildren(MessageDialog)
    assert training.isVisible()
    question.close()
    training._training.run = replace(training._training.run, phase="idle")


@pytest.mark.parametrize("name", ["training", "dialog"])
def test_with_larger_letters_no_field_of_a_form_is_cut(qtbot, name, request) -> None:
    page = request.getfixturevalue(name)
    (area,) = page.findChildren(FormArea)
    qtbot.waitUntil(lambda: area.width() == area.sizeHint().width())
    before = area.width()
    page.setStyleSheet("* { font-size: 26px; }")
    qtbot.waitUntil(lambda: area.width() > before)
    form = area.widget()
    qtbot.waitUntil(lambda: form.width() <= area.viewport().width())
    fields = [one for one in form.findChildren(QWidget) if one.isVisible() and one.focusPolicy()]
    assert len(fields) > 10
    assert all(one.mapTo(form, QPoint(one.width(), 0)).x() <= form.width() for one in fields)
