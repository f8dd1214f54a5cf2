from __future__ import annotations

import io
import sys

import pytest

from saliency_viewer.cli.console import ProgressBar, ProgressLines, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_remaining_time_follows_from_the_share_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    now = [0.0]
    bar = ProgressBar(lambda: now[0])
    now[0] = 30.0
    assert "25%, 1 min 30 s left  working" in bar.line(0.25, "working")
    assert "left" not in bar.line(0.001, "starting")
    assert "left" not in bar.line(1.0, "done")


def test_a_terminal_sees_the_bar_and_gets_its_line_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    bar = ProgressBar()
    bar(0.5, "half")
    assert "half" in terminal.getvalue()
    bar.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    bar = ProgressBar()
    bar(0.5, "half")
    bar.clear()
    assert pipe.getvalue() == ""


def test_progress_for_a_reader_is_a_line_now_and_then_and_always_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = ProgressLines(lambda: now)
    for step in range(100):
        now = step * 0.01
        lines(step / 100, f"step {step}")
    lines(1.0, "done")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "progress\t0.0000\tstep 0"
    assert said[-1] == "progress\t1.0000\tdone"
    assert 9 <= len(said) <= 12
