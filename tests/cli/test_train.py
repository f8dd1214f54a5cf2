import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saliency_viewer.cli import run, train
from saliency_viewer.domain import EpochFigures, TrainingSettings, parameter_specs
from saliency_viewer.errors import UserError

REQUIRED = ["--dataset", "csv", "--root", "T", "--architecture", "resnet50", "--out", "P"]


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    train.add_options(parser)
    return train.make_plan(parser.parse_args([*REQUIRED, *arguments]))


def test_without_options_the_settings_are_the_defaults():
    plan = parsed()
    assert plan.settings == TrainingSettings()
    assert (plan.dataset, plan.root, plan.architecture, plan.out) == ("csv", "T", "resnet50", "P")
    assert (plan.device, plan.limit, plan.columns) == ("auto", 0, {})


@pytest.mark.parametrize("spec", parameter_specs(TrainingSettings), ids=lambda spec: spec.name)
def test_every_setting_has_an_option(spec):
    other = {bool: not spec.default, int: 3, float: 0.25, str: spec.choices[-1] if spec.choices else "a file"}[
        spec.kind
    ]
    settings = parsed(
        f"--{spec.name.replace('_', '-')}", str(other).lower() if spec.kind is bool else str(other)
    ).settings
    assert getattr(settings, spec.name) == other
    assert getattr(settings, spec.name) != spec.default


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--calibrate"], True),
        (["--calibrate", "true"], True),
        (["--calibrate", "false"], False),
        (["--calibrate", "--no-calibrate"], False),
        ([], False),
    ],
)
def test_a_switch_may_stand_alone(words, value):
    assert parsed(*words).settings.calibrate is value


def test_columns_are_given_by_role():
    assert parsed("--column", "image=Pfad zum Bild", "label=Diagnose").columns == {
        "image": "Pfad zum Bild",
        "label": "Diagnose",
    }
    with pytest.raises(UserError, match="names no column"):
        parsed("--column", "image")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "0 is out of range for epochs"),
        (["--epochs", "many"], "'many' is no value for epochs"),
        (["--class-weights", "heavy"], "balanced, none"),
    ],
)
def test_a_value_out_of_range_ends_in_a_sentence(arguments, words, capsys):
    assert run(["train", *REQUIRED, *arguments]) == 2
    assert words in capsys.readouterr().err


def test_an_unknown_network_ends_in_a_sentence(pictures, tmp_path, capsys):
    arguments = [
        "--dataset",
        "csv",
        "--root",
        str(pictures),
        "--architecture",
        "densenet12",
        "--out",
        str(tmp_path / "p"),
    ]
    assert run(["train", *arguments]) == 2
    assert "Did you mean 'densenet121'" in capsys.readouterr().err


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A table of pictures, those of the second class with a bright square."""
    random = np.random.default_rng(0)
    rows = ["image,label,patient"]
    for number in range(30):
        values = random.normal(100, 18, (30, 26))
        values[10:18, 6:14] += 90 * (number % 2)
        Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{('no', 'yes')[number % 2]},p{number}")
    (tmp_path / "cases.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "cases.csv"


def command(pictures: Path, *more: str) -> list[str]:
    return [
        "train",
        *("--dataset", "csv", "--root", str(pictures), "--architecture", "small-cnn-2d"),
        *("--out", str(pictures.parent / "package"), "--size", "24", "--batch-size", "8", "--patience", "0", *more),
    ]


def test_it_trains_and_says_how_it_goes(pictures, capsys):
    assert run(command(pictures, "--epochs", "2")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch   1/2  loss ")
    assert "AUC" in lines[2]
    assert Path(lines[-1].removeprefix("Report: ")).is_file()


def test_programs_that_read_along_get_lines_with_marks(pictures, capsys):
    assert run(command(pictures, "--epochs", "2", "--progress-lines")) == 0
    marked = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    epochs = [EpochFigures(**json.loads(rest[0])) for mark, *rest in marked if mark == "epoch"]
    assert [figures.epoch for figures in epochs] == [1, 2]
    fractions = [float(rest[0]) for mark, *rest in marked if mark == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert marked[-1][0] == "report"
    page = Path(marked[-1][1])
    assert page.is_file()
    assert {"auc", "threshold"} <= json.loads(page.with_suffix(".json").read_text()).keys()


def test_check_trains_nothing(pictures, capsys):
    assert run(command(pictures, "--check")) == 0
    assert "An epoch on" in capsys.readouterr().out
    assert not (pictures.parent / "package").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_training_keeps_its_checkpoint_and_says_how_to_go_on(pictures, number, status):
    process = subprocess.Popen(
        [sys.executable, "-m", "saliency_viewer", *command(pictures, "--epochs", "5000", "--progress-lines")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if line.startswith("epoch\t"):
            process.send_signal(number)
            break
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert "--resume" in said
    assert "Traceback" not in said
    assert not (pictures.parent / "package").exists()
    assert (pictures.parent / "package.training" / "checkpoint.safetensors").is_file()


def test_resume_goes_on_after_the_last_whole_epoch(pictures, capsys, monkeypatch):
    from saliency_viewer.training import loop

    plain = loop.write_checkpoint

    def stop_after_two(checkpoint, path):
        plain(checkpoint, path)
        if checkpoint.epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "write_checkpoint", stop_after_two)
    assert run(command(pictures, "--epochs", "4")) == 143
    assert run(command(pictures, "--epochs", "4", "--anew")) == 143
    monkeypatch.undo()
    capsys.readouterr()
    assert run(command(pictures, "--epochs", "4")) == 2
    assert "--anew" in capsys.readouterr().err
    assert run(command(pictures, "--epochs", "4", "--resume")) == 0
    epochs = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in epochs] == ["1/4", "2/4", "3/4", "4/4"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
