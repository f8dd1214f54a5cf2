from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

import saliency_viewer
from saliency_viewer.cli import commands, main, run
from saliency_viewer.errors import Cancelled, UserError


def opened(*_arguments: Any) -> int:
    raise AssertionError("the window must not open")


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"], opened) == 0
    assert capsys.readouterr().out == f"Saliency Viewer {saliency_viewer.__version__}\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["explan", "x"], "Did you mean 'explain'?"),
        (["frobnicate"], "no command 'frobnicate'"),
        (["explain"], "required: INPUT"),
        (["explain", "x", "--model", "m", "--out", "o", "--colour", "red"], "--colour red"),
        (["explain", "x", "--model", "m", "--out", "o", "--slices", "1,a"], "list of whole numbers"),
        (["explain", "x", "--model", "m", "--out", "o", "--seed", "-1"], "--seed"),
        (["explain", "x", "--model", "m", "--out", "o", "--device", "tpu"], "--device"),
        (["batch", "x", "--model", "m", "--out", "o", "--max-samples", "many"], "whole number"),
        (["--demo", "knee"], "--demo"),
        (["/nowhere/at/all.nii"], "nothing at the given path"),
        (["compare", "x"], "required: --out"),
        (["model", "new", "x"], "--out"),
        (["model", "mend", "x"], "invalid choice: 'mend'"),
    ],
)
def test_bad_usage_is_one_sentence_and_status_2(
    argv: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv, opened) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert shown.err.startswith("saliency-viewer: ")
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err


def test_a_path_that_may_hold_a_name_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["/scans/Doe_Jane.nii.gz"], opened) == 2
    assert "Doe" not in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--help"], *[[command.name, "--help"] for command in commands.COMMANDS]])
def test_every_command_has_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(argv, opened)
    assert caught.value.code == 0
    assert "usage: saliency-viewer" in capsys.readouterr().out


def test_the_window_gets_what_the_user_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    seen: list[Any] = []

    def window(*arguments: Any) -> int:
        seen.append(arguments)
        return 0

    assert run(["--demo", "chest", "--screenshot", "x.png"], window) == 0
    assert run([], window) == 0
    assert run([os.curdir, "--model", "package", "--trust-code"], window) == 0
    assert seen == [
        ([], None, "chest", "x.png", False),
        ([], None, None, None, False),
        ([os.curdir], "package", None, None, True),
    ]


def _command(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_options: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(main, "COMMANDS", (commands.Command("fail", "Fails.", lambda _parser: None, fail),))


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UserError("It broke.", "Mend it."), 2, "saliency-viewer: It broke. Mend it.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (Cancelled(), 130, "Stopped.\n"),
        (ZeroDivisionError("patient Doe"), 2, "unexpected fault"),
    ],
)
def test_each_end_has_its_status(
    error: BaseException, status: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _command(monkeypatch, error)
    assert run(["fail"], opened) == status
    shown = capsys.readouterr().err
    assert words in shown
    assert "Traceback" not in shown
    assert "Doe" not in shown


@pytest.mark.parametrize("argv", [["fail", "--debug"], ["--debug", "fail"]])
def test_debug_shows_the_traceback(
    argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _command(monkeypatch, UserError("It broke.", detail="the detail"))
    assert run(argv, opened) == 2
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "the detail" in shown
    assert shown.endswith("saliency-viewer: It broke.\n")


def test_a_reader_that_goes_away_is_no_fault() -> None:
    command = f"{sys.executable} -m saliency_viewer methods --json | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGPIPE)
    assert done.stderr == ""
