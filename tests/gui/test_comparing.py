from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QLabel, QPushButton

from saliency_viewer.domain import AgreementRow, AnalysisResult, Comparison, Contender, ImageReference, ModelCard
from saliency_viewer.gui.analysis import Wish
from saliency_viewer.gui.comparing.contours import contour_lines
from saliency_viewer.gui.comparing.shown import styles
from saliency_viewer.gui.comparing.state import COLOURS, Entry
from saliency_viewer.gui.comparing.table import agreement_cell, agreement_sheet
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.panels.parts import ShortLabel
from saliency_viewer.gui.viewer import Stroke
from saliency_viewer.gui.window import MainWindow
from saliency_viewer.models import OwnCode
from saliency_viewer.pipeline import Done, Failed, Progress, Stopped, compare_results

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)

METHODS = ("grad-cam", "integrated-gradients")


@pytest.fixture
def page(opened: MainWindow, card: ModelCard) -> MainWindow:
    """The comparison page with the window's model and a second one."""
    opened.actions_by_id["compare"].trigger()
    state = opened.comparing.state
    state.set_entries([*state.entries, Entry("second", replace(card, name="Other"))])
    return opened


@pytest.fixture
def answer(make_result: Callable[..., AnalysisResult]) -> Callable[[int], AnalysisResult]:
    """What model number ``seed`` says, with maps of its own."""

    def make(seed: int) -> AnalysisResult:
        made = make_result(METHODS)
        rng = np.random.default_rng(seed)
        maps = [replace(one, array=rng.normal(size=one.array.shape).astype(np.float32)) for one in made.maps]
        return replace(made, maps=tuple(maps))

    return make


@pytest.fixture
def compared(qtbot, page, process, answer) -> MainWindow:
    page.intents.compare_run.emit()
    for seed in (1, 2):
        process.say(Done(process.jobs[-1].id, answer(seed)))
        entry = page.comparing.state.entries[seed - 1]
        qtbot.waitUntil(lambda entry=entry: entry.stage == "done")
    qtbot.waitUntil(lambda: page.comparing.state.comparison is not None)
    return page


def _words(widget) -> str:
    return "\n".join(one.text() for one in widget.findChildren(QLabel) if one.isVisibleTo(widget))


def _numbers(comparison: Comparison) -> list[tuple[object, ...]]:
    return [(row.model_a, row.model_b, row.method_a, row.statistic, row.region, row.value) for row in comparison.rows]


def test_the_action_shows_the_page_and_escape_leaves_it(qtbot, opened) -> None:
    assert opened.compare.isHidden()
    opened.actions_by_id["compare"].trigger()
    assert opened.compare.isVisible()
    assert [entry.path for entry in opened.comparing.state.entries] == ["package"]
    assert opened.actions_by_id["compare"].isChecked()
    opened.activateWindow()
    qtbot.waitUntil(opened.isActiveWindow)
    qtbot.keyClick(opened, Qt.Key.Key_Escape)
    assert opened.viewports.isVisible()
    assert not opened.actions_by_id["compare"].isChecked()


def test_each_model_gets_one_plan_after_the_other(qtbot, page, process, answer) -> None:
    page.intents.compare_run.emit()
    assert [job.plan.model for job in process.jobs] == ["package"]
    process.say(Progress(process.jobs[0].id, 0.5, "half"))
    qtbot.waitUntil(lambda: page.comparing.state.compute.fraction == 0.25)
    assert "1 of 2 · Tiny · half" in page.compare.words.text()
    process.say(Done(process.jobs[0].id, answer(1)))
    qtbot.waitUntil(lambda: len(process.jobs) == 2)
    first, second = (job.plan for job in process.jobs)
    # the second is asked about the class and the slices that the first was explained for
    said = answer(1)
    assert second == replace(first, model="second", target=said.maps[0].target, slices=said.slices)
    assert page.state.result is None  # the window's own maps are another matter


def test_the_numbers_are_those_of_the_pipeline(compared) -> None:
    state = compared.comparing.state
    wanted = compare_results(state.comparison.contenders, compared.state.regions)
    assert [one.name for one in wanted.contenders] == ["Tiny", "Other"]
    assert _numbers(state.comparison) == _numbers(wanted)
    rho = next(row for row in wanted.rows if row.statistic == "rank_correlation")
    table = compared.compare.table.table
    titles = [table.horizontalHeaderItem(k).text() for k in range(table.columnCount())]
    text = table.item(0, titles.index("Rank ρ")).text()
    assert text == f"{rho.value:.2f} ({rho.chance:.2f})".replace("-", "−", 1)
    assert table.rowCount() == len(METHODS)
    compared.compare.table.tabs[1].click()
    assert [table.item(k, 0).text() for k in range(table.rowCount())] == ["Tiny", "Other"]


def test_chance_decides_the_colour_and_an_undefined_number_says_why() -> None:
    row = AgreementRow("a", "m", "b", "m", "repeatability", "", "rank_correlation", 0.4, chance=0.3)
    above, below = agreement_cell(row), agreement_cell(replace(row, value=0.2))
    assert above.colour != below.colour
    assert (above.text, below.text) == ("0.40 (0.30)", "0.20 (0.30)")
    assert agreement_cell(replace(row, value=None, note="nothing in common")).tip == "nothing in common"
    sheet = agreement_sheet(Comparison((), ("m",), (row, replace(row, relation="same model"))), between_models=True)
    assert [cell.text for cell in sheet.lines[0]][:3] == ["a – b", "m", "repeatability"]
    assert len(sheet.lines) == 1


def test_of_two_long_names_both_can_be_told_apart() -> None:
    first, second = "MobileNetV2 for AP supine or PA", "MobileNetV2 for AP supine or PA (2)"
    row = AgreementRow(first, "m", second, "m", "repeatability", "", "rank_correlation", 0.5)
    (line,) = agreement_sheet(Comparison((), ("m",), (row,)), between_models=True).lines
    a, b = line[0].text.split(" – ")
    assert a != b
    assert max(len(a), len(b)) <= 19
    assert line[0].tip.splitlines() == [first, second]


def test_a_failing_model_says_why_in_its_row_and_the_others_go_on(qtbot, page, process, answer) -> None:
    page.intents.compare_run.emit()
    process.say(Failed(process.jobs[0].id, "No weights.", "Add them."))
    qtbot.waitUntil(lambda: len(process.jobs) == 2)
    process.say(Done(process.jobs[1].id, answer(2)))
    state = page.comparing.state
    qtbot.waitUntil(lambda: state.comparison is not None)
    failed, fine = state.entries
    assert "No weights. Add them." in _words(page.compare.grid.heads[failed])
    assert page.compare.grid.cells[failed, "grad-cam"].empty_text == "No map"
    assert "0.88" in _words(page.compare.grid.heads[fine])
    assert not page.findChildren(MessageDialog)
    assert [one.failure for one in state.comparison.contenders] == ["No weights. Add them.", ""]


def test_cancel_keeps_what_was_answered(qtbot, page, process, answer) -> None:
    page.intents.compare_run.emit()
    process.say(Done(process.jobs[0].id, answer(1)))
    qtbot.waitUntil(lambda: len(process.jobs) == 2)
    page.compare.stop.click()
    assert process.cancelled[-1] == process.jobs[1].id
    process.say(Stopped(process.jobs[1].id))
    state = page.comparing.state
    qtbot.waitUntil(lambda: state.entries[1].stage == "new" and state.compute.job is None)
    assert state.entries[0].result is not None
    # Only who has not answered this question is asked again.
    page.intents.compare_run.emit()
    assert [job.plan.model for job in process.jobs[2:]] == ["second"]


def test_another_image_drops_the_answers(compared, volume) -> None:
    compared.state.add_cases([Case(ImageReference("elsewhere"), None, "Case 2", replace(volume), "ef" * 32)])
    compared.state.show(0)
    assert compared.comparing.state.comparison is not None
    compared.state.show(1)
    state = compared.comparing.state
    assert state.comparison is None
    assert [entry.result for entry in state.entries] == [None, None]
    assert compared.compare.table.isHidden()


def test_an_answer_about_the_image_before_is_dropped(qtbot, page, process, answer, volume) -> None:
    page.intents.compare_run.emit()
    page.state.add_cases([Case(ImageReference("elsewhere"), None, "Case 2", replace(volume), "ef" * 32)])
    page.state.show(1)
    assert process.cancelled[-1] == process.jobs[0].id
    with qtbot.waitSignal(page.worker.done):
        process.say(Done(process.jobs[0].id, answer(1)))
    assert page.comparing.state.entries[0].result is None
    assert len(process.jobs) == 1


def test_the_cells_share_cursor_slice_and_zoom(compared) -> None:
    cells = list(compared.compare.grid.cells.values())
    assert len(cells) == 4 * len(METHODS)  # image, two models, disagreement
    compared.intents.set_crosshair.emit((4, 7, 11))
    assert {cell.slice_index for cell in cells} == {4}
    compared.intents.probe.emit((1, 2, 3))
    assert {cell._crosshair for cell in cells} == {(1, 2, 3)}
    cells[2]._zoom(2.0, QPointF(20, 30))
    assert {cell.zoom for cell in cells} == {2.0}
    assert {(cell.look[1].x(), cell.look[1].y()) for cell in cells} == {(cells[2].look[1].x(), cells[2].look[1].y())}
    compared.intents.fit.emit()
    assert {cell.zoom for cell in cells} == {1.0}


def test_one_scale_for_each_map_for_a_method_or_for_shares_of_each(compared) -> None:
    state = compared.comparing.state
    maps = {(entry.name, amap.method): amap for entry in state.entries for amap in entry.result.maps}
    sizes = {key: float(np.abs(amap.array).max()) for key, amap in maps.items()}
    together = {key: max(size for k, size in sizes.items() if k[1] == key[1]) for key in sizes}
    cell = compared.compare.grid.cells[state.entries[0], "grad-cam"]
    for scale, wanted in (("own", sizes), ("method", together), ("all", sizes)):
        compared.intents.compare_look.emit("scale", scale)
        assert {key: style.high for key, style in styles(compared.state, state).items()} == wanted
        assert (cell.colour_bar.labels == ("−100 %", "100 %")) == (scale == "all")
    assert "own largest value" in cell.colour_bar.accessibleDescription()


def test_contours_enclose_what_reaches_the_level(compared) -> None:
    state = compared.comparing.state
    amap = state.entries[0].map_of("grad-cam")
    lines = contour_lines(amap, 0.6, 0, 3)
    areas = [np.sum(one[:-1, 1] * one[1:, 0] - one[1:, 1] * one[:-1, 0]) / 2 for one in lines]
    assert abs(sum(areas)) == np.count_nonzero(amap.array[3] >= np.float32(0.6) * amap.array.max())
    grid = compared.compare.grid
    image = grid.cells["image", "grad-cam"]
    assert [one.colour for one in image.contours] == list(COLOURS[:2])
    compared.intents.compare_look.emit("level", 0.25)
    assert {one.level for one in image.contours} == {0.25}
    compared.compare.contours.click()
    assert image.contours == ()


def test_the_rows_of_image_and_disagreement_can_be_left_out(compared) -> None:
    grid = compared.compare.grid
    ranks = grid.cells["disagreement", "grad-cam"]
    wanted = compared.comparing.state.comparison.between_models["grad-cam"]
    assert ranks._picture._map.array is wanted
    assert (ranks.colour_bar.style_shown.low, ranks.colour_bar.style_shown.high) == (0.0, 1.0)
    compared.compare.image.click()
    compared.compare.ranks.click()
    assert grid.rows == compared.comparing.state.entries


def test_a_region_is_measured_in_every_cell(qtbot, compared) -> None:
    compared.intents.stroke.emit(
        Stroke("polygon", 0, 2, np.array([[2.5, 2.5], [2.5, 8.5], [7.5, 8.5], [7.5, 2.5]]), 2.0)
    )
    (region,) = compared.state.regions.regions
    cell = compared.compare.grid.cells[compared.comparing.state.entries[1], "grad-cam"]
    qtbot.waitUntil(lambda: region.name in cell.accessibleDescription(), timeout=10000)
    amap = compared.comparing.state.entries[1].map_of("grad-cam")
    values = np.maximum(amap.array.astype(np.float64), 0.0)
    share = values[region.mask(values.shape)].sum() / values.sum()
    assert f"{region.name}: {100 * share:.0f} %" in cell.accessibleDescription()


def test_own_code_is_asked_about_and_a_no_is_that_models_reason(qtbot, page, process, answer) -> None:
    state = page.comparing.state
    entries = [*state.entries]
    entries[1].code = code = OwnCode("net.py", "Net", b"import torch")
    page.intents.compare_run.emit()
    process.say(Done(process.jobs[0].id, answer(1)))
    qtbot.waitUntil(lambda: bool(page.findChildren(MessageDialog)))
    assert len(process.jobs) == 1
    page.intents.refuse_code.emit(code.digest)
    assert "not allowed" in entries[1].failure
    qtbot.waitUntil(lambda: state.comparison is not None)
    page.intents.compare_run.emit()
    page.intents.allow_code.emit(code.digest, False)
    assert process.jobs[-1].plan.model == "second"
    assert process.jobs[-1].allowed_code == frozenset({code.digest})
    for dialog in page.findChildren(MessageDialog):
        dialog.close()


def _question(page) -> MessageDialog:
    (dialog,) = [one for one in page.findChildren(MessageDialog) if one.isVisible()]
    return dialog


def _press(dialog: MessageDialog, text: str) -> None:
    next(button for button in dialog.findChildren(QPushButton) if button.text() == text).click()


@pytest.fixture
def coded(page, card) -> list[OwnCode]:
    """Two packages with code of their own beside the window's model."""
    codes = [OwnCode("net.py", "Net", content) for content in (b"import torch", b"import numpy")]
    state = page.comparing.state
    entries = [Entry(name, replace(card, name=name), code) for name, code in zip(("b", "c"), codes, strict=True)]
    state.set_entries([state.entries[0], *entries])
    return codes


def test_two_packages_with_code_are_asked_about_one_after_another(qtbot, page, process, answer, coded) -> None:
    page.intents.compare_run.emit()
    for code in coded:  # while the window's own model computes
        assert code.digest in _question(page).detail.toPlainText()
        _press(_question(page), "Allow this time")
    assert not [one for one in page.findChildren(MessageDialog) if one.isVisible()]
    for seed in range(3):
        qtbot.waitUntil(lambda seed=seed: len(process.jobs) == seed + 1)
        process.say(Done(process.jobs[-1].id, answer(seed)))
    qtbot.waitUntil(lambda: page.comparing.state.comparison is not None)
    allowed = [job.allowed_code for job in process.jobs]
    assert allowed == [frozenset(), *(frozenset({code.digest}) for code in coded)]


def test_a_no_to_one_package_is_no_answer_about_the_other(qtbot, page, process, answer, coded) -> None:
    page.intents.compare_run.emit()
    _press(_question(page), "Do not run it")
    own, first, second = page.comparing.state.entries
    assert (first.stage, second.stage, second.failure) == ("failed", "waiting", "")
    process.say(Done(process.jobs[0].id, answer(0)))
    qtbot.waitUntil(lambda: own.stage == "done")
    assert len(process.jobs) == 1
    assert coded[1].digest in _question(page).detail.toPlainText()
    _press(_question(page), "Allow this time")
    qtbot.waitUntil(lambda: len(process.jobs) == 2)
    assert (process.jobs[1].plan.model, process.jobs[1].allowed_code) == ("c", frozenset({coded[1].digest}))


def test_a_question_about_the_windows_model_is_not_answered_for_the_compared_one(
    qtbot, page, process, answer, coded, card
) -> None:
    other = OwnCode("own.py", "Net", b"import own")
    page.state.set_model("with code", card, other)
    assert other.digest in _question(page).detail.toPlainText()
    state = page.comparing.state
    state.set_entries([entry for entry in state.entries if entry.code is not other])
    page.intents.compare_run.emit()
    _press(_question(page), "Do not run it")
    assert [entry.failure for entry in state.entries] == ["", ""]
    assert coded[0].digest in _question(page).detail.toPlainText()
    _press(_question(page), "Allow this time")
    qtbot.waitUntil(lambda: len(process.jobs) == 1)
    assert coded[1].digest in _question(page).detail.toPlainText()  # and nobody asks about the first file again
    _question(page).close()


def test_a_cancelled_comparison_asks_nothing_more(page, coded) -> None:
    page.intents.compare_run.emit()
    page.intents.cancel.emit()
    _question(page).close()
    assert not [one for one in page.findChildren(MessageDialog) if one.isVisible()]


def test_a_layer_is_not_asked_of_another_architecture(qtbot, page, process, answer, monkeypatch) -> None:
    state = page.comparing.state
    state.entries[1].card = replace(state.entries[1].card, architecture="torchvision:resnet18")
    monkeypatch.setattr(page.methods, "wish", lambda: Wish(layer="features.3"))
    page.intents.compare_run.emit()
    process.say(Done(process.jobs[0].id, answer(1)))
    qtbot.waitUntil(lambda: len(process.jobs) == 2)
    assert [job.plan.layer for job in process.jobs] == ["features.3", None]


def test_models_are_added_once_and_taken_out(qtbot, opened, tiny_model: Path) -> None:
    opened.actions_by_id["compare"].trigger()
    opened.intents.compare_add.emit(str(tiny_model / "model.toml"))
    state = opened.comparing.state
    qtbot.waitUntil(lambda: len(state.entries) == 2)
    assert [entry.name for entry in state.entries] == ["Tiny", "Tiny plane"]
    with qtbot.waitSignal(opened.state.problem):
        opened.intents.compare_add.emit(str(tiny_model))
    opened.intents.compare_remove.emit("Tiny")
    assert [entry.path for entry in state.entries] == [str(tiny_model)]
    for dialog in opened.findChildren(MessageDialog):
        dialog.close()


def test_two_models_of_one_name_are_told_apart(page, card) -> None:
    state = page.comparing.state
    state.set_entries([*state.entries, Entry("third", card), Entry("fourth", card)])
    assert [entry.name for entry in state.entries] == ["Tiny", "Other", "Tiny (2)", "Tiny (3)"]
    assert len({entry.colour for entry in state.entries}) == 4


def test_export_writes_what_the_command_writes(qtbot, compared, tmp_path: Path) -> None:
    from saliency_viewer.pipeline import export_comparison

    state = compared.comparing.state
    compared.intents.compare_export.emit(str(tmp_path / "window"), False)
    qtbot.waitUntil(lambda: not compared.pool.busy, timeout=20000)
    export_comparison(state.comparison, state.entries[0].plan, None, tmp_path / "command")

    def files(folder: str) -> dict[str, bytes]:
        root = tmp_path / folder
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    window, command = files("window"), files("command")
    assert window.keys() == command.keys()
    assert {name for name in window if window[name] != command[name]} <= {"manifest.json"}  # seconds differ


LONG = "Hippocampal sclerosis DenseNet, second training on the scanner of site A"


def test_a_long_name_widens_no_panel(opened, card) -> None:
    before = opened.model.minimumSizeHint().width()
    opened.state.set_model("package", replace(card, name=LONG))
    assert opened.model.minimumSizeHint().width() <= before


def test_long_names_leave_room_for_the_numbers(compared) -> None:
    state = compared.comparing.state
    wide = compared.compare.minimumSizeHint().width()
    for entry in state.entries:
        entry.name = f"{LONG} {entry.package}"
    state.set_comparison(compare_results([Contender(e.name, e.path, e.result) for e in state.entries], None))
    state.touch()
    assert compared.compare.minimumSizeHint().width() <= wide
    table = compared.compare.table.table
    assert table.item(0, 0).toolTip().count(LONG) == 2
    assert table.columnWidth(0) <= 300
    assert not table.item(0, 0).icon().isNull()  # the colours of the two models, as at the rows' heads


def test_a_short_label_cuts_what_its_lines_cannot_hold(qtbot) -> None:
    made = ShortLabel(LONG, lines=2)
    qtbot.addWidget(made)
    first, second = made.lines(160)
    assert LONG.startswith(first)
    assert second.endswith("…")
    assert LONG[len(first) :].strip().startswith(second[:-1])
    assert made.heightForWidth(160) == 2 * made.fontMetrics().lineSpacing()
    assert made.lines(5000) == [LONG]
    assert ShortLabel("Net").heightForWidth(160) == made.fontMetrics().lineSpacing()


def test_the_methods_names_stay_above_their_columns_when_the_grid_is_scrolled(qtbot, compared) -> None:
    grid = compared.compare.grid
    compared.resize(1280, 700)
    qtbot.waitUntil(lambda: grid.verticalScrollBar().maximum() > 0)
    top = [grid.cells[grid.rows[0], method] for method in METHODS]

    def above() -> bool:
        places = [one.mapTo(grid, one.rect().topLeft()).x() for one in top]
        return [title.mapTo(grid, title.rect().topLeft()).x() for title in grid.titles.titles] == places

    qtbot.waitUntil(above)
    assert [title.text() for title in grid.titles.titles] == ["Grad-CAM", "Integrated gradients"]
    grid.verticalScrollBar().setValue(grid.verticalScrollBar().maximum())
    assert {title.mapTo(grid, title.rect().topLeft()).y() for title in grid.titles.titles} == {0}
    assert grid.viewport().y() >= grid.titles.height() > 0


def test_what_all_cells_draw_is_traced_once(compared, monkeypatch) -> None:
    from saliency_viewer.gui.viewer import regions_layer

    traced: list[int] = []
    trace = regions_layer.outline_path
    monkeypatch.setattr(
        regions_layer, "outline_path", lambda region, *where: traced.append(where[1]) or trace(region, *where)
    )
    corners = np.array([[2.5, 2.5], [2.5, 8.5], [7.5, 8.5], [7.5, 2.5]])
    compared.intents.stroke.emit(Stroke("polygon", 0, 2, corners, 2.0))
    for k in (2, 3):
        compared.intents.set_slice.emit(0, k)
        compared.compare.grab()
    assert sorted(traced) == [2, 3]
