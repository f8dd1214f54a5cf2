from __future__ import annotations

from typing import Any

import pytest

from saliency_viewer.cli import run
from saliency_viewer.cli import window as module


def test_a_missing_system_library_is_named_with_its_debian_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")

    def window(*_arguments: Any) -> int:
        raise ImportError("libEGL.so.1: cannot open shared object file: No such file or directory")

    assert run([], window) == 2
    shown = capsys.readouterr().err
    assert "libEGL.so.1 is missing" in shown
    assert "apt-get install libegl1" in shown
    assert "Traceback" not in shown


def test_a_missing_x11_library_is_named_before_qt_can_abort(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":77")
    # A name that no system has, in the place of the library: the loader itself must say no.
    absent = {"libxcb-cursor-of-another-world.so.0": "libxcb-cursor0"}
    monkeypatch.setattr(module, "_WINDOW_LIBRARIES", absent)
    assert run([], lambda *_: 0) == 2
    shown = capsys.readouterr().err
    assert "apt-get install libxcb-cursor0" in shown


def test_no_screen_at_all_says_how_to_do_without(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(module.sys, "platform", "linux")
    assert run([], lambda *_: 0) == 2
    assert "QT_QPA_PLATFORM=offscreen" in capsys.readouterr().err


def test_missing_qt_for_python_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")

    def window(*_arguments: Any) -> int:
        raise ImportError("No module named 'PySide6'")

    assert run([], window) == 2
    assert "pip install PySide6-Essentials" in capsys.readouterr().err


def test_any_other_import_error_is_a_defect_and_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")

    def window(*_arguments: Any) -> int:
        raise ImportError("cannot import name 'x'")

    assert run([], window) == 2
    assert "unexpected fault" in capsys.readouterr().err
