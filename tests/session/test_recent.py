from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.session import Recent, forget_recent, load_recent, save_recent


def test_the_list_is_short_newest_first_and_without_repeats(tmp_path: Path) -> None:
    recent = Recent()
    for number in (*range(12), 5):
        recent = recent.with_study(f"/scans/{number}")
    assert recent.studies == tuple(f"/scans/{number}" for number in (5, 11, 10, 9, 8, 7, 6, 4))
    save_recent(recent.with_model("model"), tmp_path)
    loaded = load_recent(tmp_path)
    assert loaded.studies == recent.studies
    assert loaded.models == (str(Path("model").absolute()),)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    save_recent(Recent(("/scans/Doe_Jane",)), tmp_path)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{", '{"studies": 3, "models": [1, "m"]}'])
def test_a_damaged_list_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "recent.json").write_text(text)
    assert load_recent(tmp_path).studies == ()


def test_forgetting_leaves_nothing_on_disk(tmp_path: Path) -> None:
    save_recent(Recent(("/scans/Doe_Jane",)), tmp_path)
    forget_recent(tmp_path)
    forget_recent(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_cannot_be_removed_is_said(tmp_path: Path) -> None:
    (tmp_path / "recent.json").mkdir()
    with pytest.raises(UserError, match="could not be removed"):
        forget_recent(tmp_path)
