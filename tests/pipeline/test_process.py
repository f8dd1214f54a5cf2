from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saliency_viewer.domain import AnalysisPlan, ImageReference
from saliency_viewer.pipeline import ComputeProcess, Done, Failed, Job, Progress, Started, Stopped
from saliency_viewer.pipeline.compute_main import NICENESS, Tools
from saliency_viewer.pipeline.shared_arrays import remove_stale_segments

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)  # the spawned process inherits the path, and so finds the same module
fakes = importlib.import_module("compute_fakes")
sys.path.remove(HERE)

SHM = Path("/dev/shm")


def plan(act: str, seed: int = 0, path: str = "image") -> AnalysisPlan:
    return AnalysisPlan(ImageReference(path), act, (), seed=seed)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[ComputeProcess]:
    monkeypatch.syspath_prepend(HERE)
    compute = ComputeProcess(Tools(fakes.act, fakes.nothing_to_import))
    compute.start()
    yield compute
    compute.close()
    assert segments() == []


def segments() -> list[str]:
    return [path.name for path in SHM.glob(f"svw-{os.getpid()}-*")] if SHM.is_dir() else []


def until_end(process: ComputeProcess, job_id: int, patience: float = 20.0) -> tuple[Any, list[Any]]:
    """The event that ends a job, and all events on the way."""
    seen: list[Any] = []
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for event in process.events(0.2):
            seen.append(event)
            if isinstance(event, (Done, Failed, Stopped)) and event.job_id == job_id:
                return event, seen
    raise AssertionError(f"job {job_id} never ended; seen: {seen}")


def wait_for_start(process: ComputeProcess, job_id: int) -> None:
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        if any(isinstance(e, Progress) and e.job_id == job_id for e in process.events(0.2)):
            return
    raise AssertionError("the job never started")


def test_arrays_arrive_bit_by_bit_and_belong_to_the_receiver(process: ComputeProcess) -> None:
    for job_id in range(3):
        process.submit(Job(job_id, plan("arrays", seed=job_id)))
        done, seen = until_end(process, job_id)
        rng = np.random.default_rng(job_id)
        np.testing.assert_array_equal(done.result["volume"], rng.normal(size=(7, 64, 65)))
        np.testing.assert_array_equal(done.result["mask"], rng.random((3, 5)) > 0.5)
        assert done.result["empty"].shape == (0, 3)
        done.result["volume"][0] = 5.0
        assert isinstance(seen[0], Started)
        assert segments() == []


def test_progress_comes_in_order_and_never_goes_back(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("arrays")))
    _, seen = until_end(process, 1)
    fractions = [event.fraction for event in seen if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_the_process_is_nice_and_its_threads_do_not_spin(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("facts")))
    facts = until_end(process, 1)[0].result
    assert facts["pid"] == process.pid != os.getpid()
    assert facts["nice"] == min(19, os.nice(0) + NICENESS)
    assert facts["openmp"] == "PASSIVE"


def test_jobs_run_one_after_the_other_in_their_order(process: ComputeProcess) -> None:
    for job_id in (5, 3, 9):
        process.submit(Job(job_id, plan("arrays")))
    _, seen = until_end(process, 9)
    ends = [event.job_id for event in seen if isinstance(event, Done)]
    assert ends == [5, 3, 9]


def test_an_obedient_job_stops_at_once_and_the_process_lives_on(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("obedient")))
    wait_for_start(process, 1)
    pid = process.pid
    process.cancel(1)
    assert isinstance(until_end(process, 1)[0], Stopped)
    process.submit(Job(2, plan("facts")))
    assert until_end(process, 2)[0].result["pid"] == pid


def test_a_stubborn_job_is_killed_after_a_second_and_the_next_one_works(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("stubborn")))
    process.submit(Job(2, plan("facts")))
    wait_for_start(process, 1)
    pid = process.pid
    start = time.monotonic()
    process.cancel(1)
    assert isinstance(until_end(process, 1)[0], Stopped)
    assert time.monotonic() - start > 0.9
    assert until_end(process, 2)[0].result["pid"] != pid


def test_a_waiting_job_is_cancelled_without_ever_starting(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("obedient")))
    process.submit(Job(2, plan("arrays")))
    wait_for_start(process, 1)
    process.cancel(2)
    stopped, seen = until_end(process, 2)
    assert isinstance(stopped, Stopped)
    assert not any(isinstance(event, Started) and event.job_id == 2 for event in seen)
    process.cancel(1)
    assert isinstance(until_end(process, 1)[0], Stopped)


def test_cancelling_an_unknown_job_does_nothing(process: ComputeProcess) -> None:
    process.cancel(77)
    process.submit(Job(1, plan("arrays")))
    assert isinstance(until_end(process, 1)[0], Done)


def test_a_user_error_arrives_in_its_own_words(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("user error")))
    assert until_end(process, 1)[0] == Failed(1, "what happened", "what to do", "detail")


def test_a_defect_arrives_as_text_without_the_patients_path(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("defect", path="/scans/Doe_Jane/t1.nii")))
    failed = until_end(process, 1)[0]
    assert isinstance(failed, Failed)
    assert "ZeroDivisionError" in failed.message
    assert "Traceback" in failed.detail
    assert "could not open" in failed.detail
    assert "Doe" not in failed.message + failed.hint + failed.detail
    process.submit(Job(2, plan("arrays")))
    assert isinstance(until_end(process, 2)[0], Done)


@pytest.mark.parametrize(("act", "words"), [("suicide", "memory ran out"), ("crash", "ended unexpectedly")])
def test_a_dead_process_fails_its_job_and_the_next_one_works(process: ComputeProcess, act: str, words: str) -> None:
    process.submit(Job(1, plan(act)))
    process.submit(Job(2, plan("arrays")))
    failed = until_end(process, 1)[0]
    assert isinstance(failed, Failed)
    assert words in failed.message
    assert isinstance(until_end(process, 2)[0], Done)


def test_kill_from_outside_fails_the_job_and_the_next_one_works(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("obedient")))
    wait_for_start(process, 1)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert isinstance(until_end(process, 1)[0], Failed)
    process.submit(Job(2, plan("arrays")))
    assert isinstance(until_end(process, 2)[0], Done)


def test_an_idle_process_that_was_killed_is_replaced(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("facts")))
    pid = until_end(process, 1)[0].result["pid"]
    os.kill(pid, signal.SIGKILL)
    process.submit(Job(2, plan("facts")))
    ended = until_end(process, 2)[0]
    if isinstance(ended, Failed):  # the job was handed over before the death was seen
        process.submit(Job(3, plan("facts")))
        ended = until_end(process, 3)[0]
    assert ended.result["pid"] != pid


def test_a_dead_process_that_somebody_else_reaped_is_replaced_all_the_same(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("facts")))
    pid = until_end(process, 1)[0].result["pid"]
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system then reaps children by itself
    try:
        os.kill(pid, signal.SIGKILL)
        process.submit(Job(2, plan("facts")))
        until_end(process, 2)
        process.submit(Job(3, plan("facts")))
        assert until_end(process, 3)[0].result["pid"] != pid
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_control_c_is_the_parents_to_handle(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("interrupt")))
    assert until_end(process, 1)[0].result == "alive"


def test_a_process_that_cannot_start_says_so_instead_of_trying_for_ever(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(HERE)
    compute = ComputeProcess(Tools(fakes.act, fakes.cannot_import))
    compute.submit(Job(1, plan("arrays")))
    try:
        failed = until_end(compute, 1)[0]
    finally:
        compute.close()
    assert isinstance(failed, Failed)
    assert "could not be started" in failed.message
    assert "a library is broken" in capfd.readouterr().err


def test_closing_ends_the_process(process: ComputeProcess) -> None:
    process.submit(Job(1, plan("obedient")))
    wait_for_start(process, 1)
    pid = process.pid
    assert pid is not None
    process.close()
    assert process.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


PARENT = """
import sys, time
import compute_fakes as fakes
from saliency_viewer.domain import AnalysisPlan, ImageReference
from saliency_viewer.pipeline.compute_main import Tools
from saliency_viewer.pipeline import ComputeProcess, Job, Progress

if __name__ == "__main__":
    compute = ComputeProcess(Tools(fakes.act, fakes.nothing_to_import))
    compute.start()
    compute.submit(Job(1, AnalysisPlan(ImageReference("i"), "stubborn", ())))
    while not any(isinstance(event, Progress) for event in compute.events(1.0)):
        pass
    sys.stdout.write(f"{compute.pid}\\n")
    sys.stdout.flush()
    time.sleep(60)
"""


def test_the_process_leaves_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": HERE}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5.0
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # a dead process that nobody has asked about does not run


@pytest.mark.skipif(not SHM.is_dir(), reason="shared memory has no names here")
def test_segments_of_dead_owners_are_removed_and_those_of_living_ones_stay() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    stale, mine, foreign = SHM / f"svw-{gone.pid}-ab12cd-1", SHM / f"svw-{os.getpid()}-zz-1", SHM / "other-1-2"
    for path in (stale, mine, foreign):
        path.write_bytes(b"x")
    try:
        remove_stale_segments()
        assert not stale.exists()
        assert mine.exists()
        assert foreign.exists()
    finally:
        for path in (stale, mine, foreign):
            path.unlink(missing_ok=True)
