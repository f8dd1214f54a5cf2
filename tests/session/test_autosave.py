from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from saliency_viewer.session import Autosave, Document, discard_recovery, load_session, recoverable
from saliency_viewer.session import autosave as module


def test_a_running_program_offers_nothing_to_recover(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path, interval=0.0)
    autosave.changed(Document(model="net"))
    assert load_session(autosave.path).model == "net"
    assert recoverable(tmp_path) == ()


def test_changes_within_the_interval_wait_and_the_last_one_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    autosave = Autosave(tmp_path, interval=30.0)
    autosave.changed(Document(model="first"))
    now[0] += 10.0
    autosave.changed(Document(model="second"))
    autosave.changed(Document(model="third"))
    assert load_session(autosave.path).model == "first"
    now[0] += 25.0
    autosave.tick()
    assert load_session(autosave.path).model == "third"


def test_a_clean_end_leaves_no_file(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path, interval=0.0)
    autosave.changed(Document(model="net"))
    autosave.discard()
    assert list(tmp_path.iterdir()) == []


def test_work_of_a_killed_program_is_offered_until_it_is_discarded(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from saliency_viewer.session import Autosave, Document\n"
        "Autosave(Path(sys.argv[1]), interval=0.0).changed(Document(model='net of the dead'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (recovery,) = recoverable(tmp_path)
    assert load_session(recovery.path).model == "net of the dead"
    discard_recovery(recovery)
    assert recoverable(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_process_id_that_was_given_away_again_does_not_hide_lost_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    autosave = Autosave(tmp_path, interval=0.0)
    monkeypatch.setattr(module, "_start_time", lambda _pid: "long ago")
    autosave.changed(Document(model="net"))
    monkeypatch.undo()
    assert [recovery.path for recovery in recoverable(tmp_path)] == [autosave.path]


def test_the_folder_is_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "autosave"
    Autosave(folder, interval=0.0).changed(Document())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_default_folder_follows_the_users_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    autosave = Autosave(interval=0.0)
    autosave.changed(Document())
    assert autosave.path.parent == tmp_path / "saliency-viewer" / "autosave"
    assert autosave.path.name.startswith(str(os.getpid()))
