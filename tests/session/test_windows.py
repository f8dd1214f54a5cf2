from __future__ import annotations

import json
from dataclasses import replace

import pytest

from saliency_viewer.domain import Window
from saliency_viewer.session import Document, load_session, save_session, window_from, window_record

TABLE = Window(127.5, 256.0, "TABLE", "CURVE", bytes(reversed(range(256))))
RECORD = window_record(TABLE)


@pytest.mark.parametrize(
    "window",
    [Window(0.1 + 0.2, 1 / 3), Window(-600, 1500, "LINEAR", "LUNG"), Window(40, 400, "SIGMOID", "Weiß"), TABLE],
)
def test_a_window_comes_back_from_a_session_file_with_its_curve_and_name(window, tmp_path):
    path = save_session(Document(view={"window": window_record(window)}), tmp_path / "a.svsession")
    found = window_from(load_session(path).view["window"])
    assert found == window
    assert (found.name, found.table, found.function) == (window.name, window.table, window.function)


@pytest.mark.parametrize(
    "change",
    [
        {"centre": "x"},
        {"centre": float("nan")},
        {"width": 0},
        {"width": float("inf")},
        {"width": None},
        {"function": "CUBIC"},
        {"function": []},
        {"table": "no base64!"},
        {"table": ""},
        {"table": "äöü"},
        {"function": "LINEAR"},
    ],
)
def test_what_is_no_window_is_left_out(change):
    assert window_from(RECORD | change) is None
    assert window_from(RECORD) == TABLE


@pytest.mark.parametrize("stored", [None, [40.0, 400.0], "lung", {}, 7])
def test_settings_of_another_program_are_left_out(stored):
    assert window_from(stored) is None


def test_no_window_is_stored_as_none():
    assert window_record(None) is None
    assert json.dumps(window_record(replace(TABLE, name="")))
