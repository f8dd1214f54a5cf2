from __future__ import annotations

import hashlib
import re
import stat
from pathlib import Path

import pytest

from saliency_viewer.exporters import case_identifier, safe_name
from saliency_viewer.exporters.identity import KEY_BYTES


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "one"))
    return tmp_path / "one" / "saliency-viewer"


def test_a_case_has_the_agreed_form_and_stays_the_same() -> None:
    name = case_identifier("abc")
    assert re.fullmatch(r"case-[0-9a-f]{8}", name)
    assert case_identifier("abc") == name
    assert case_identifier("abd") != name


def test_the_key_outlives_the_process_and_is_private(config: Path) -> None:
    name = case_identifier("abc")
    (key_file,) = config.iterdir()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    key = key_file.read_bytes()
    assert len(key) == KEY_BYTES
    import hmac

    assert name == f"case-{hmac.new(key, b'case' + bytes([0x1F]) + b'abc', hashlib.sha256).hexdigest()[:8]}"


def test_another_installation_gives_other_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = case_identifier("abc")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "two"))
    assert case_identifier("abc") != here


def test_a_home_that_cannot_be_written_to_still_gives_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    name = case_identifier("abc")
    assert re.fullmatch(r"case-[0-9a-f]{8}", name)
    assert case_identifier("abc") == name


@pytest.mark.parametrize("name", ["sub-01", "A.b_c-9"])
def test_a_harmless_name_is_kept(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["../up", "a/b", "a\\b", ".hidden", "CON", "nul.txt", "", "é" * 300, "a:b", "x\n"])
def test_a_dangerous_name_becomes_one_plain_file_name(name: str) -> None:
    safe = safe_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,90}", safe)
    assert safe.upper() not in {"CON", "NUL.TXT"}


def test_names_that_differ_only_in_forbidden_letters_stay_apart() -> None:
    assert len({safe_name("a/b"), safe_name("a\\b"), safe_name("a b"), safe_name("a-b")}) == 4
