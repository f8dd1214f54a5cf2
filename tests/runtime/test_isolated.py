"""Workers answer, are replaced when they crash or hang, and stop when nobody waits for them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saliency_viewer.errors import Cancelled
from saliency_viewer.runtime.isolated import DECODE_WORKER, Task, Workers


@pytest.fixture
def workers() -> Any:
    made = Workers(DECODE_WORKER, 2)
    yield made
    made.close()


def _picture(folder: Path) -> Path:
    from pydicom.data import get_testdata_file

    path = folder / "a.dcm"
    path.write_bytes(Path(str(get_testdata_file("MR_small_RLE.dcm"))).read_bytes())
    return path


def _request(path: Path) -> dict[str, Any]:
    return {"path": str(path), "indices": [0], "plane_bytes": 8192, "at_once": 0, "last": True}


def _nothing() -> None:
    """Nobody cancels."""


def test_every_task_is_answered_once_with_its_bytes(workers: Workers, tmp_path: Path) -> None:
    import pydicom

    path = _picture(tmp_path)
    tasks = [Task(k, _request(path), 20.0) for k in range(9)]
    answers = list(workers.answers(tasks, _nothing))
    assert sorted(task.key for task, _ in answers) == list(range(9))
    expected = pydicom.dcmread(path).pixel_array
    for _, answer in answers:
        assert answer.failure == ""
        found = np.frombuffer(answer.data, answer.line["dtype"]).reshape(answer.line["shape"])
        np.testing.assert_array_equal(found[0], expected)


def test_a_worker_that_hangs_is_killed_and_the_next_task_gets_a_new_one(workers: Workers, tmp_path: Path) -> None:
    import os

    pipe = tmp_path / "never"
    os.mkfifo(pipe)  # opening it waits for a writer that never comes
    slow = Task("slow", _request(pipe), 0.5)
    good = Task("good", _request(_picture(tmp_path)), 20.0)
    found = {task.key: answer.failure for task, answer in workers.answers([slow, good, good], _nothing)}
    assert found == {"slow": "timeout", "good": ""}


def test_a_worker_that_dies_is_one_answer_lost(workers: Workers, tmp_path: Path) -> None:
    broken = Task("broken", {"no": "path"}, 20.0)
    good = Task("good", _request(_picture(tmp_path)), 20.0)
    found = {task.key: answer.failure for task, answer in workers.answers([broken, good], _nothing)}
    assert found == {"broken": "crashed", "good": ""}


def test_cancelling_ends_the_wait_at_once(workers: Workers, tmp_path: Path) -> None:
    import os

    pipe = tmp_path / "never"
    os.mkfifo(pipe)
    started = time.monotonic()

    def check() -> None:
        if time.monotonic() - started > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(workers.answers([Task(0, _request(pipe), 500.0)], check))
    assert time.monotonic() - started < 100


def test_a_decoder_says_what_is_wrong_without_naming_the_file(workers: Workers, tmp_path: Path) -> None:
    path = tmp_path / "Zyxwv_Quirin.dcm"
    path.write_bytes(b"no picture")
    ((_, answer),) = workers.answers([Task(0, _request(path), 20.0)], _nothing)
    assert "error" in answer.line
    assert "Quirin" not in str(answer.line)


def test_workers_are_kept_from_one_run_to_the_next_but_few_of_them(tmp_path: Path) -> None:
    many = Workers(DECODE_WORKER, 4)
    try:
        tasks = [Task(k, _request(_picture(tmp_path)), 20.0) for k in range(8)]
        list(many.answers(tasks, _nothing))
        kept = [worker._process.pid for worker in many._idle]
        assert 1 <= len(kept) <= 2
        list(many.answers(tasks[:1], _nothing))
        assert {worker._process.pid for worker in many._idle} == set(kept)
    finally:
        many.close()


def test_a_cancelled_worker_is_never_asked_again(tmp_path: Path) -> None:
    workers = Workers(DECODE_WORKER, 1)
    try:
        task = Task(0, _request(_picture(tmp_path)), 20.0)
        for _ in range(5):
            run = workers.answers([task, task], _nothing)
            next(run)
            run.close()
            ((_, answer),) = workers.answers([task], _nothing)
            assert answer.failure == ""
    finally:
        workers.close()
