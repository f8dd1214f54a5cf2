from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtGui import QDesktopServices

from saliency_viewer.cli import train as train_command
from saliency_viewer.cli.parsing import Parser
from saliency_viewer.domain import EpochFigures, TrainingPlan, TrainingSettings
from saliency_viewer.errors import UserError
from saliency_viewer.gui.command import NOT_STARTED, UNFINISHED, OwnCommand
from saliency_viewer.gui.dialogs.message import MessageDialog
from saliency_viewer.gui.panels.methods import time_left
from saliency_viewer.gui.training.entry import TrainingEntry
from saliency_viewer.gui.training.run import Training, arguments
from saliency_viewer.phantoms import make_csv

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)

PLAN = TrainingPlan("csv", "table.csv", "resnet50", "out")
# A command that says `LINES`, waits until the file `GO` is there or for good, and leaves with `STATUS`.
_SCRIPT = """
import sys, time
from pathlib import Path
sys.stdout.buffer.write(Path({lines!r}).read_bytes())
sys.stdout.flush()
while {waits} and not Path({go!r}).exists():
    time.sleep(0.02)
sys.exit({status})
"""


def _epoch(number: int, auc: float, best: bool) -> EpochFigures:
    return EpochFigures(number, 4, 1.0 / number, 1.1 / number, auc, 1e-3, 2.0, best)


def _line(epoch: EpochFigures) -> str:
    return f"epoch\t{json.dumps(epoch.to_dict())}\n"


EPOCHS = (_epoch(1, 0.6, True), _epoch(2, 0.9, True), _epoch(3, 0.8, False))


@pytest.fixture
def say(tmp_path: Path):
    """Makes the program that says ``text``; with ``waits`` it goes on when ``go`` is written, or never."""

    def make(text: str | bytes, status: int = 0, waits: bool = False) -> tuple[str, ...]:
        lines, script = tmp_path / "lines", tmp_path / "script.py"
        lines.write_bytes(text if isinstance(text, bytes) else text.encode())
        script.write_text(_SCRIPT.format(lines=str(lines), go=str(tmp_path / "go"), status=status, waits=waits))
        return sys.executable, str(script)

    return make


@pytest.fixture
def train(qtbot, say):
    """A training that ran the given words to its end."""

    def make(text: str, status: int = 0, task: str = "train", clock=None) -> Training:
        training = Training(None, say(text, status), *([clock] if clock else []))
        with qtbot.waitSignal(training.command.ended, timeout=10000):
            training.start(PLAN, task)
        return training

    return make


@pytest.fixture
def page(qtbot, window, say):
    """The page of the main window, with a command that says these words; its fields are filled in."""

    def make(text: str, status: int = 0, waits: bool = False):
        window.training.command._program = say(text, status, waits)
        window.intents.training_page.emit()
        made = window.desk.training_page
        made.form.root.line.setText("table.csv")
        made.form.out.line.setText("out")
        return made

    return make


# The program's own command


def test_a_command_sorts_its_lines_however_they_arrive(qtbot, say) -> None:
    text = "progress\t0.25\thalf\nepoch\t{}\nother\tline\nprogress\tnone\n\n\u00e4\u00f6 last"
    command = OwnCommand(None, ("epoch",), say(text))
    progress, marked, told = [], [], []
    command.progressed.connect(lambda fraction, words: progress.append((fraction, words)))
    command.marked.connect(lambda mark, rest: marked.append((mark, rest)))
    command.told.connect(told.append)
    with qtbot.waitSignal(command.ended, timeout=10000) as ended:
        command.start([])
    assert ended.args == [0]
    assert progress == [(0.25, "half")]
    assert marked == [("epoch", "{}")]
    assert told == ["other\tline", "progress\tnone", "\u00e4\u00f6 last"]


def test_a_line_cut_within_a_letter_is_put_together_again(qtbot, monkeypatch) -> None:
    command = OwnCommand(None)
    told: list[str] = []
    command.told.connect(told.append)
    for part in ("M\u00fcde".encode()[:2], "M\u00fcde".encode()[2:] + b"\nx\n"):
        monkeypatch.setattr(command.process, "readAllStandardOutput", lambda part=part: _Bytes(part), raising=False)
        command._read()
    assert told == ["M\u00fcde", "x"]


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def data(self) -> bytes:
        return self._data


def test_a_command_that_is_stopped_or_cannot_start_says_so(qtbot, say) -> None:
    command = OwnCommand(None, (), say("begun\n", waits=True))
    with qtbot.waitSignal(command.told, timeout=10000):
        command.start([])
    with qtbot.waitSignal(command.ended, timeout=10000) as ended:
        command.stop()
    assert ended.args == [UNFINISHED]
    absent = OwnCommand(None, (), ("/no/such/program",))
    with qtbot.waitSignal(absent.ended, timeout=10000) as ended:
        absent.start([])
    assert ended.args == [NOT_STARTED]


# The run


def test_settings_are_given_where_they_are_not_the_usual_ones() -> None:
    settings = TrainingSettings(learning_rate=0.01, mixed_precision=False)
    plan = TrainingPlan("csv", "t.csv", "vgg16", "o", settings, {"image": "file"}, device="cpu", threads=3, limit=7)
    said = "train --dataset csv --root=t.csv --architecture vgg16 --out=o --device cpu --threads 3 --limit 7"
    more = "--column image=file --learning-rate 0.01 --mixed-precision false --resume --progress-lines"
    assert arguments(plan, "resume") == [*said.split(), *more.split()]


def test_a_run_keeps_epochs_report_and_phase(train) -> None:
    training = train("".join(map(_line, EPOCHS)) + "report\t/out/report.html\n")
    assert training.run.epochs == EPOCHS
    assert (training.run.phase, training.run.report, training.run.fraction) == ("done", "/out/report.html", 1.0)
    assert training.unseen


@pytest.mark.parametrize(
    ("text", "status", "phase", "error"),
    [
        ("saliency-viewer: Class PA has one patient. Add more.\n", 2, "failed", "Class PA has one patient. Add more."),
        ("words\n", 2, "failed", "The training failed; the log below says how far it came."),
        ("", 130, "stopped", ""),
        ("", 143, "stopped", ""),
    ],
)
def test_a_run_that_fails_says_why(train, text, status, phase, error) -> None:
    run = train(text, status).run
    assert (run.phase, run.error) == (phase, error)


def test_a_resumed_run_goes_on_with_its_curves_and_a_new_one_begins_afresh(qtbot, say, train) -> None:
    training = train("".join(map(_line, EPOCHS)))
    again = _epoch(3, 0.95, True)
    training.command._program = say(_line(again))
    with qtbot.waitSignal(training.command.ended, timeout=10000):
        training.start(PLAN, "resume")
    assert training.run.epochs == (*EPOCHS[:2], again)
    with qtbot.waitSignal(training.command.ended, timeout=10000):
        training.start(PLAN)
    assert training.run.epochs == (again,)


def test_a_check_leaves_the_curves_and_a_line_that_is_no_epoch_is_told(qtbot, say, train) -> None:
    training = train("".join(map(_line, EPOCHS)))
    told: list[str] = []
    training.told.connect(told.append)
    training.command._program = say("epoch\tbroken\nepoch\t{}\n")
    with qtbot.waitSignal(training.command.ended, timeout=10000):
        training.start(PLAN, "check")
    assert training.run.phase == "checked"
    assert training.run.epochs == EPOCHS
    assert told == ["epoch broken", "epoch {}"]


def test_remaining_time_is_reckoned_from_where_this_run_began(qtbot, say) -> None:
    clock = iter([100.0, 110.0, 120.0])
    training = Training(None, say("", waits=True), lambda: next(clock))
    training.start(PLAN, "resume")
    training.command.progressed.emit(0.50, "epoch 6")
    assert training.run.seconds_left is None
    training.command.progressed.emit(0.51, "epoch 6")
    assert training.run.seconds_left is None  # too little to tell
    training.command.progressed.emit(0.60, "epoch 7")
    assert training.run.seconds_left == pytest.approx(20 / 0.1 * 0.4)  # 20 s for a tenth
    training.end_now()
    assert training.run.phase == "stopped"


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (12, "12 s left"), (200, "3 min left"), (7800, "2 h 10 min left")]
)
def test_remaining_time_in_words(seconds, words) -> None:
    assert time_left(seconds) == words


# The page


def test_the_page_shows_curves_while_a_training_runs_and_stops_it(qtbot, window, page) -> None:
    shown = page("progress\t0.5\tEpoch 2 of 4\n" + "".join(map(_line, EPOCHS)), waits=True)
    assert shown.curves.currentIndex() == 0
    shown.go.click()
    qtbot.waitUntil(lambda: len(window.training.run.epochs) == 3, timeout=10000)
    qtbot.waitUntil(lambda: shown.curves._training.getData()[0] is not None)
    assert shown.curves.currentIndex() == 1
    assert list(shown.curves._training.getData()[1]) == [1.0, 0.5, pytest.approx(1 / 3)]
    assert list(shown.curves._area.getData()[1]) == [0.6, 0.9, 0.8]
    assert shown.curves._best[0].value() == 2
    assert shown.curves.words.text().startswith("Best so far: epoch 2")
    assert shown.bar.value() == 500
    assert not shown.form.isEnabled()
    assert not shown.go.isVisible()
    shown.stop.click()
    qtbot.waitUntil(lambda: not window.training.run.running, timeout=10000)
    assert window.training.run.phase == "stopped"
    assert "Resume" in shown.message.text()
    assert shown.go.isVisible()


def test_missing_fields_and_wrong_values_are_said_before_anything_runs(page) -> None:
    shown = page("")
    shown.form.out.line.clear()
    shown.go.click()
    assert "folder for the new package" in shown.message.text()
    shown.form.out.line.setText("out")
    dict((spec.name, field) for spec, field in shown.form.settings._fields)["epochs"].setText("many")
    shown.go.click()
    assert "'many' is no value for epochs" in shown.message.text()
    assert not shown._training.run.running


@pytest.mark.parametrize(("answer", "told"), [(0, "--resume"), (1, "--anew"), (2, None)])
def test_a_stopped_training_is_replaced_only_by_who_says_so(qtbot, window, page, tmp_path, answer, told) -> None:
    (tmp_path / "new.training").mkdir()
    (tmp_path / "new.training" / "checkpoint.safetensors").touch()
    shown = page("progress\t0.5\tEpoch\n", waits=True)
    shown.form.out.line.setText(str(tmp_path / "new"))
    shown.go.click()
    qtbot.waitUntil(lambda: bool(shown.findChildren(MessageDialog)))
    assert not window.training.run.running
    shown.findChildren(MessageDialog)[0].buttons[answer].click()
    if told is None:
        assert not window.training.run.running
        return
    qtbot.waitUntil(lambda: window.training.run.fraction == 0.5, timeout=10000)
    assert told in window.training.command.process.arguments()
    shown.stop.click()
    qtbot.waitUntil(lambda: not window.training.run.running, timeout=10000)


def test_a_finished_package_is_replaced_only_by_who_says_so(qtbot, window, page, tiny_model) -> None:
    shown = page("progress\t0.5\tEpoch\n", waits=True)
    shown.form.out.line.setText(str(tiny_model))
    shown.go.click()
    qtbot.waitUntil(lambda: bool(shown.findChildren(MessageDialog)))
    assert not window.training.run.running
    keep, replace = shown.findChildren(MessageDialog)[0].buttons
    assert keep.isDefault()
    replace.click()
    qtbot.waitUntil(lambda: window.training.run.fraction == 0.5, timeout=10000)
    assert "--anew" in window.training.command.process.arguments()
    shown.stop.click()
    qtbot.waitUntil(lambda: not window.training.run.running, timeout=10000)


def test_empty_fields_mean_what_they_say(page) -> None:
    form = page("").form
    fields = {spec.name: field for one in (form.settings, form.machine) for spec, field in one._fields}
    assert (fields["size"].text(), fields["limit"].text()) == ("", "")
    assert form.plan().settings.size == TrainingSettings().size
    fields["size"].setText("96")
    fields["limit"].setText("40")
    assert (form.plan().settings.size, form.plan().limit) == (96, 40)


def test_a_failure_stands_on_the_page(qtbot, window, page) -> None:
    shown = page("saliency-viewer: The table has no column 'label'. Name it.\n", status=2)
    shown.check.click()
    qtbot.waitUntil(lambda: window.training.run.phase == "failed", timeout=10000)
    assert shown.message.text() == "The table has no column 'label'. Name it."
    assert shown.message.isVisible()
    assert "no column" in shown.log.toPlainText()
    assert not shown.outcome.isVisible()


def test_the_form_makes_a_plan_of_what_it_says(page) -> None:
    form = page("").form
    form.columns["label"].setText("view")
    form.architecture.setCurrentIndex(2)
    plan = form.plan()
    assert plan.columns == {"label": "view"}
    assert plan.settings == TrainingSettings()
    form.dataset.setCurrentIndex(form.dataset.findData("siim"))
    assert form.plan().columns == {}
    assert form.plan().dataset == "siim"
    form.root.line.clear()
    with pytest.raises(UserError, match="missing"):
        form.plan()


def test_closing_asks_and_the_training_goes_on_with_a_word_in_the_last_line(qtbot, window, page, tmp_path) -> None:
    shown = page("progress\t0.5\tEpoch 2 of 4\n" + _line(EPOCHS[0]), waits=True)
    shown.go.click()
    qtbot.waitUntil(lambda: window.training.run.fraction == 0.5, timeout=10000)
    assert not shown.close()
    (question,) = shown.findChildren(MessageDialog)
    question.buttons[0].click()
    assert not shown.isVisible()
    assert window.training.run.running
    entry = window.status.findChild(TrainingEntry)
    assert entry.text().startswith("Training · 50 %")
    (tmp_path / "go").touch()
    qtbot.waitUntil(lambda: window.training.run.phase == "done", timeout=10000)
    assert (entry.isVisible(), entry.text()) == (True, "Training done…")
    entry.click()
    assert window.desk.training_page is shown
    assert shown.isVisible()
    assert not entry.isVisible()
    assert len(window.training.run.epochs) == 1
    assert shown.form.out.text == "out"


def test_closing_can_stop_the_training(qtbot, window, page) -> None:
    shown = page("progress\t0.5\tEpoch\n", waits=True)
    shown.go.click()
    qtbot.waitUntil(lambda: window.training.run.fraction == 0.5, timeout=10000)
    shown.close()
    shown.findChildren(MessageDialog)[0].buttons[1].click()
    assert not shown.isVisible()
    qtbot.waitUntil(lambda: not window.training.run.running, timeout=10000)
    assert window.training.run.phase == "stopped"


def test_the_program_does_not_end_a_training_unasked(qtbot, window, page) -> None:
    shown = page("progress\t0.5\tEpoch\n", waits=True)
    shown.go.click()
    qtbot.waitUntil(lambda: window.training.run.fraction == 0.5, timeout=10000)
    assert not window.close()
    assert not window.close()
    (question,) = [one for one in window.findChildren(MessageDialog) if one.isVisible()]
    assert question.windowTitle() == "Stop the training?"
    question.buttons[0].click()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=10000)
    assert not window.training.run.running
    assert not shown.isVisible()


def test_a_finished_training_gives_its_model_and_its_report(qtbot, window, page, monkeypatch, tmp_path) -> None:
    report = tmp_path / "report.html"
    one = {"auc": 0.9125, "auc_interval_95": [0.85, None], "sensitivity": 0.8, "specificity": 0.7}
    judged = {"cases": 9, "patients": 8, "auc": 0.9125, "accuracy": 0.75, "by_class": {"ill": one}}
    said = {"judged_on": "test", "test": judged, "threshold": 0.25, "threshold_rule": "Youden"}
    report.with_suffix(".json").write_text(json.dumps(said))
    shown = page("".join(map(_line, EPOCHS)) + f"report\t{report}\n")
    shown.go.click()
    qtbot.waitUntil(lambda: shown.outcome.isVisible() and not window.pool.busy, timeout=10000)
    chosen, opened = [], []
    window.intents.choose_model.disconnect()
    window.intents.choose_model.connect(chosen.append)
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    shown.outcome.use.click()
    shown.outcome.open.click()
    assert chosen == ["out"]
    assert opened == [str(report)]
    wanted = {"Test AUC", "0.912", "0.850 to undefined", "Threshold", "0.250"}
    labels = type(shown.message)  # those that were just made are shown in the next round of events
    qtbot.waitUntil(lambda: wanted <= {one.text() for one in shown.outcome.findChildren(labels) if one.isVisible()})


# With the real command


@pytest.mark.parametrize("task", ["train", "anew", "resume", "check"])
def test_the_command_line_reads_the_very_plan(task) -> None:
    settings = TrainingSettings(
        epochs=3, batch_size=2, size=64, learning_rate=1e-05, test=0.0, augment="mirror", mixed_precision=False,
        calibrate=True, pretrained="imagenet", seed=9,
    )  # fmt: skip
    plan = TrainingPlan("csv", "a table.csv", "vgg16", "-out", settings, {"image": "file", "label": "a=b"}, "cpu", 3, 7)
    for one in (plan, TrainingPlan("rsna", "folder", "resnet50", "package")):
        parser = Parser(prog="", description="")
        train_command.add_options(parser)
        options = parser.parse_args(arguments(one, task)[1:])
        assert train_command.make_plan(options) == one
        asked = {"anew": options.anew, "resume": options.resume, "check": options.check}
        assert asked == {name: name == task for name in asked}
        assert options.progress_lines


@pytest.mark.slow
def test_a_table_is_checked_and_trained_on_and_its_network_used(qtbot, window, tmp_path) -> None:
    make_csv(tmp_path / "set", 24)
    window.intents.training_page.emit()
    page = window.desk.training_page
    form = page.form
    form.root.line.setText(str(tmp_path / "set" / "cases.csv"))
    form.out.line.setText(str(tmp_path / "package"))
    form.architecture.setCurrentIndex(form.architecture.findData("small-cnn-2d"))
    for name, value in {"epochs": "2", "size": "32", "validation": "0.3", "test": "0.3"}.items():
        dict((spec.name, field) for spec, field in form.settings._fields)[name].setText(value)
    page.check.click()
    qtbot.waitUntil(lambda: not window.training.run.running, timeout=120000)
    assert window.training.run.phase == "checked", page.log.toPlainText()
    assert "Training:" in page.log.toPlainText()
    page.go.click()
    qtbot.waitUntil(lambda: not window.training.run.running, timeout=120000)
    assert window.training.run.phase == "done", page.log.toPlainText()
    assert [one.epoch for one in window.training.run.epochs] == [1, 2]
    qtbot.waitUntil(lambda: not window.pool.busy, timeout=10000)
    said = [one.text() for one in page.outcome.findChildren(type(page.message)) if one.isVisible()]
    assert {"Test AUC", "Threshold", "Accuracy"} <= set(said)
    page.outcome.use.click()
    qtbot.waitUntil(lambda: window.state.card is not None and not window.pool.busy, timeout=20000)
    assert window.state.card.architecture == "builtin:small-cnn-2d"


def test_of_progress_that_arrives_at_once_the_last_is_told(qtbot, say) -> None:
    text = "".join(f"progress\t{k / 100}\tcase {k}\nepoch\t{k}\n" for k in range(1, 51))
    command = OwnCommand(None, ("epoch",), say(text))
    progress, marked = [], []
    command.progressed.connect(lambda fraction, _words: progress.append(fraction))
    command.marked.connect(lambda _mark, rest: marked.append(int(rest)))
    with qtbot.waitSignal(command.ended, timeout=10000):
        command.start([])
    assert marked == list(range(1, 51))
    assert progress[-1] == 0.5
    assert len(progress) < 10  # one for each piece that the pipe gave, not one for each line


def test_epochs_that_come_faster_than_curves_are_drawn_are_drawn_together(qtbot, window, monkeypatch) -> None:
    window.intents.training_page.emit()
    page, training = window.desk.training_page, window.training
    drawn: list[int] = []
    monkeypatch.setattr(page.curves, "show_epochs", lambda epochs, _running: drawn.append(len(epochs)))
    training.run = replace(training.run, phase="running")
    for number in range(1, 41):
        training.command.marked.emit("epoch", json.dumps(_epoch(number, 0.6, True).to_dict()))
    assert drawn == []
    qtbot.waitUntil(lambda: drawn == [40])
    training.run = replace(training.run, phase="idle")
