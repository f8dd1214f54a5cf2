from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from saliency_viewer.domain import AnalysisPlan, ImageReference, Region, RegionSet
from saliency_viewer.gui.actions import ACTIONS
from saliency_viewer.gui.dialogs.batch import BatchDialog
from saliency_viewer.gui.dialogs.cheat_sheet import CheatSheet
from saliency_viewer.gui.dialogs.export import ExportDialog
from saliency_viewer.gui.dialogs.layers import LayerDialog
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.panels.evidence import SHARES, VALUES, written
from saliency_viewer.models import LayerNode

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)

_CONVOLUTION = LayerNode("0", "features.0", "Conv2d", (8, 9, 9), True)
_ACTIVATION = LayerNode("1", "features.1", "ReLU", (8, 5, 5), True)
_FEATURES = LayerNode("features", "features", "Sequential", (8, 5, 5), True, (_CONVOLUTION, _ACTIVATION))
TREE = LayerNode("", "", "Net", (2,), children=(_FEATURES, LayerNode("head", "head", "Linear", (2,))))


def _only(window, kind):
    (dialog,) = [one for one in window.findChildren(kind) if one.isVisible()]
    return dialog


def _batch(qtbot, *arguments) -> BatchDialog:
    dialog = BatchDialog(None, *arguments)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the test looks at it after it closed
    qtbot.addWidget(dialog)
    dialog.show()
    return dialog


def test_a_layer_is_chosen_from_the_tree(opened, process) -> None:
    opened.state.set_layers(TREE)
    opened.intents.layer_dialog.emit("features.1")
    dialog = _only(opened, LayerDialog)
    assert dialog.tree.currentItem().text(1) == "ReLU"
    dialog.filter.setText("conv")
    shown = [item.text(0) for item in dialog.tree.items() if not item.isHidden()]
    assert sorted(shown) == ["0", "features"]
    head = next(item for item in dialog.tree.items() if item.text(0) == "head")
    assert not head.flags() & Qt.ItemFlag.ItemIsSelectable
    dialog.tree.setCurrentItem(next(item for item in dialog.tree.items() if item.text(1) == "Conv2d"))
    dialog.use.click()
    opened.methods.explain()
    assert process.jobs[0].plan.layer == "features.0"


def test_the_layer_dialog_waits_for_the_model_and_can_go_back_to_automatic(opened, process) -> None:
    opened.intents.choose_layer.emit("features")
    opened.intents.layer_dialog.emit("features")
    dialog = _only(opened, LayerDialog)
    assert dialog.waiting.isVisible()
    opened.state.set_layers(TREE)
    assert not dialog.waiting.isVisible()
    assert dialog.tree.currentItem().text(0) == "features"
    dialog.automatic.click()
    opened.methods.explain()
    assert process.jobs[0].plan.layer is None


def test_another_model_forgets_the_layer_of_the_last_one(opened, process, card) -> None:
    opened.intents.choose_layer.emit("features")
    opened.state.set_model("second", card)
    opened.methods.explain()
    assert process.jobs[0].plan.layer is None


def test_export_asks_where_and_writes_without_a_patient(qtbot, opened, make_result, tmp_path: Path) -> None:
    opened.intents.export_dialog.emit()
    _only(opened, MessageDialog).close()  # there is nothing to export yet
    case = opened.state.case
    plan = AnalysisPlan(ImageReference("/scans/Doe_Jane/t1.nii"), "package", ())
    opened.state.set_result(case, plan, make_result())
    opened.intents.export_dialog.emit()
    dialog = _only(opened, ExportDialog)
    assert not dialog.go.isEnabled()
    dialog.folder.line.setText(str(tmp_path / "out"))
    assert not dialog.identify.isChecked()
    with qtbot.waitSignal(opened.state.told) as said:
        dialog.go.click()
    assert said.args[0].startswith("Exported")
    manifest = (tmp_path / "out" / "manifest.json").read_text()
    assert json.loads(manifest)
    assert "Doe" not in manifest


def test_the_batch_dialog_says_what_is_missing_and_builds_the_command(qtbot) -> None:
    dialog = _batch(qtbot, "", ("grad-cam", "gradient"), lambda: frozenset({"ab", "aa"}))
    dialog.start()
    assert not dialog.running
    assert "Fill in" in dialog.log.toPlainText()
    dialog.cohort.line.setText("file:///data/cohort.csv")
    dialog.model.line.setText(" model ")
    dialog.out.line.setText("out")
    before = "batch /data/cohort.csv --model model --progress-lines --method grad-cam --method gradient"
    after = "--trust-sha256 aa --trust-sha256 ab --out out --resume"
    assert dialog.arguments() == [*before.split(), *after.split()]


def test_a_batch_runs_beside_the_window_and_tells_how_far_it_is(qtbot, tmp_path, image, tiny_model) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text(f"subject,image\none,{image}\ntwo,{tmp_path / 'absent.nii.gz'}\nthree,{image}\n")
    dialog = _batch(qtbot, str(tiny_model), ("gradient",))
    dialog.cohort.line.setText(str(table))
    dialog.out.line.setText(str(tmp_path / "out"))
    seen: list[int] = []
    dialog.bar.valueChanged.connect(seen.append)
    dialog.go.click()
    assert dialog.running
    qtbot.waitUntil(lambda: not dialog.running and dialog.go.isEnabled(), timeout=60000)
    text = dialog.log.toPlainText()
    assert "two (row 2) failed" in text
    assert "2 done, 0 already complete, 1 failed" in text
    assert "progress\t" not in text
    assert seen[:-1] == sorted(seen[:-1])
    assert max(seen) > 600
    with (tmp_path / "out" / "attribution_statistics.csv").open() as stream:
        assert {row["subject"] for row in csv.DictReader(stream)} == {"one", "three"}
    dialog.close()


def test_closing_stops_the_batch_and_does_not_hold_the_window_up(qtbot, tmp_path, image, tiny_model) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text("subject,image\n" + "".join(f"s{k},{image}\n" for k in range(200)))
    dialog = _batch(qtbot, str(tiny_model), ("integrated-gradients",))
    dialog.cohort.line.setText(str(table))
    dialog.out.line.setText(str(tmp_path / "out"))
    dialog.start()
    qtbot.waitUntil(lambda: dialog.bar.value() > 0, timeout=60000)
    assert not dialog.close()
    assert dialog.isVisible()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=10000)
    assert not dialog.running


def test_escape_does_not_leave_a_batch_behind(qtbot, tmp_path, image, tiny_model) -> None:
    dialog = _batch(qtbot, str(tiny_model), ("gradient",))
    dialog.cohort.line.setText(str(tmp_path))
    dialog.out.line.setText(str(tmp_path / "out"))
    dialog.start()
    assert dialog.command.process.waitForStarted()
    dialog.reject()
    qtbot.waitUntil(lambda: not dialog.isVisible(), timeout=10000)
    assert not dialog.running


def test_the_batch_dialog_gets_the_ticked_methods_and_the_model(opened) -> None:
    opened.methods.tick(("smooth-grad", "gradient"))
    opened.intents.batch_dialog.emit()
    dialog = _only(opened, BatchDialog)
    assert sorted(dialog.methods.text().split()) == ["gradient", "smooth-grad"]
    assert dialog.model.text == "package"
    dialog.close()


def test_the_cheat_sheet_lists_every_action(opened) -> None:
    opened.intents.cheat_sheet.emit()
    dialog = _only(opened, CheatSheet)
    texts = {child.text() for child in dialog.children() if hasattr(child, "text")}
    assert {action.tip for action in ACTIONS} <= texts
    dialog.close()


def test_a_messages_detail_is_behind_its_fold(qtbot) -> None:
    dialog = MessageDialog(None, "t", "What happened.", "What to do.", "detail", ("Close", None))
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.detail.isVisible()
    fold = next(button for button in dialog.findChildren(QPushButton) if button.text().startswith("Technical"))
    fold.click()
    assert dialog.detail.isVisible()
    fold.click()
    assert not dialog.detail.isVisible()


def test_shares_and_values_are_two_views_of_the_same_rows(qtbot, opened, process, make_result) -> None:
    opened.methods.explain()
    process.say_result(make_result())
    qtbot.waitUntil(lambda: opened.state.result is not None and bool(opened.state.case.rows))
    panel = opened.evidence
    assert panel.columns is SHARES
    panel.values.click()
    assert panel.columns is VALUES
    heads = [panel.table.horizontalHeaderItem(k).text() for k in range(panel.table.columnCount())]
    assert heads == ["Region", "Mean", "SD", "Min", "Max"]
    mean = next(row.value for row in opened.state.case.rows if row.statistic == "mean")
    assert panel.table.item(0, 1).text() == f"{mean:.3g}"
    assert panel.table.horizontalScrollBar().maximum() == 0


def test_no_line_of_the_evidence_table_is_empty(qtbot, opened, process, make_result) -> None:
    mask = np.zeros(opened.state.volume.geometry.shape, dtype=bool)
    mask[2, 3:8, 3:8] = True
    drawn = RegionSet(opened.state.volume.geometry, (Region.from_mask("r", "#56B4E9", mask),))
    opened.editing.put(opened.state.case, drawn)
    opened.methods.explain()
    process.say_result(make_result())
    qtbot.waitUntil(lambda: opened.state.result is not None and bool(opened.state.case.rows))
    table = opened.evidence.table
    for tab in (opened.evidence.shares, opened.evidence.values):
        tab.click()
        for line in range(table.rowCount()):
            assert {table.item(line, k).text() for k in range(1, table.columnCount())} != {"—"}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1446832, "voxels", "1.45 Mpx"), (812, "voxels", "812 px"), (16400, "mm2", "164 cm²"), (4.21, "ml", "4.21 ml")],
)
def test_sizes_have_units(value, unit, text) -> None:
    assert written(value, "size", unit) == text
