"""The real compute process: the numbers of a direct run, cancelled within an operator, killed without harm."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.pipeline import ComputeProcess, Done, Failed, Job, Progress, Services, Stopped, run_plan


class Listener:
    """A compute process with the events that nobody has asked for yet."""

    def __init__(self) -> None:
        self.compute = ComputeProcess()
        self._events: list[Any] = []

    def wait(self, kinds: tuple[type, ...], job_id: int) -> Any:
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline:
            while self._events:
                event = self._events.pop(0)
                if isinstance(event, kinds) and event.job_id == job_id:
                    return event
            self._events += self.compute.events(0.1)
        raise AssertionError("nothing came")


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    found = Listener()
    found.compute.start()
    yield found
    found.compute.close()
    assert not list(Path("/dev/shm").glob(f"svw-{os.getpid()}-*"))


def make_plan(image: Path, model: Path, samples: int = 8) -> AnalysisPlan:
    methods = (MethodRequest("grad-cam"), MethodRequest("smooth-grad", {"samples": samples}))
    return AnalysisPlan(ImageReference(str(image)), str(model), methods, threads=1, device="cpu")


def test_the_process_gives_the_bits_of_a_direct_run(listener: Listener, image: Path, block_model: Path) -> None:
    plan = make_plan(image, block_model)
    listener.compute.submit(Job(1, plan))
    theirs = listener.wait((Done, Failed), 1).result
    ours = run_plan(plan, Services())
    assert theirs.image_hash == ours.image_hash
    for one, other in zip(theirs.maps, ours.maps, strict=True):
        assert one.array.tobytes() == other.array.tobytes()
        assert one.geometry.same_as(other.geometry, 0.0)
        assert one.provenance.model_hash == other.provenance.model_hash
    assert theirs.volume.array.tobytes() == ours.volume.array.tobytes()


def test_a_long_map_is_cancelled_without_a_kill(listener: Listener, image: Path, block_model: Path) -> None:
    listener.compute.submit(Job(2, make_plan(image, block_model, samples=500)))
    listener.wait((Progress,), 2)
    pid = listener.compute.pid
    listener.compute.cancel(2)
    assert isinstance(listener.wait((Done, Failed, Stopped), 2), Stopped)
    assert listener.compute.pid == pid


def test_a_killed_computation_costs_one_message_and_the_next_map_is_right(
    listener: Listener, image: Path, block_model: Path
) -> None:
    listener.compute.submit(Job(3, make_plan(image, block_model, samples=500)))
    listener.wait((Progress,), 3)
    assert listener.compute.pid is not None
    os.kill(listener.compute.pid, signal.SIGKILL)
    assert isinstance(listener.wait((Done, Failed, Stopped), 3), Failed)
    plan = make_plan(image, block_model)
    listener.compute.submit(Job(4, plan))
    theirs = listener.wait((Done, Failed), 4).result
    assert theirs.maps[0].array.tobytes() == run_plan(plan, Services()).maps[0].array.tobytes()
