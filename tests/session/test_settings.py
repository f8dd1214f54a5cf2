from __future__ import annotations

import json
from pathlib import Path

import pytest

from saliency_viewer.session import Settings, load_settings, save_settings


def test_settings_come_back(tmp_path: Path) -> None:
    settings = Settings(True, False, 0.25, "cpu", 4, 60, ("grad-cam",), ("ab12",), "100x100+0+0")
    save_settings(settings, tmp_path)
    assert load_settings(tmp_path) == settings


def test_the_default_folder_is_the_users_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    save_settings(Settings(opacity=0.75))
    assert (tmp_path / "saliency-viewer" / "settings.json").is_file()
    assert load_settings().opacity == 0.75


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "nowhere") == Settings()


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_damaged_file_gives_the_defaults_and_is_kept_aside(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_bytes(content)
    assert load_settings(tmp_path) == Settings()
    assert (tmp_path / "settings.json.damaged").read_bytes() == content
    save_settings(Settings(threads=3), tmp_path)
    assert load_settings(tmp_path).threads == 3


def test_values_of_the_wrong_type_and_unknown_names_are_passed_over(tmp_path: Path) -> None:
    record = {"opacity": "much", "threads": True, "radiological": 1, "last_methods": [1], "device": "cpu", "new": 1}
    (tmp_path / "settings.json").write_text(json.dumps(record))
    assert load_settings(tmp_path) == Settings(device="cpu")


def test_a_whole_number_serves_as_a_fraction(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"opacity": 1}')
    assert load_settings(tmp_path).opacity == 1.0
