from __future__ import annotations

import threading

import pytest

from saliency_viewer.domain import AnalysisPlan, ImageReference
from saliency_viewer.gui.worker import ComputeWorker
from saliency_viewer.pipeline import Job

PLAN = AnalysisPlan(ImageReference("image"), "model", ())


@pytest.fixture
def slow_start(process):
    """A process whose spawning takes until the test says so."""
    go = threading.Event()
    process.start = lambda: go.wait(10.0)
    return go


@pytest.fixture
def worker(process, slow_start):
    made = ComputeWorker(process)
    made.start()
    yield made
    slow_start.set()
    made.close()


def test_a_job_before_the_process_stands_waits_without_holding_the_window_up(qtbot, worker, process, slow_start):
    for number in (worker.new_id(), worker.new_id()):
        worker.submit(Job(number, PLAN))
    assert process.jobs == []  # and here we are, although the process does not stand
    slow_start.set()
    qtbot.waitUntil(lambda: len(process.jobs) == 2)
    assert [job.id for job in process.jobs] == [1, 2]


def test_a_job_stopped_before_the_process_stands_is_never_run(qtbot, worker, process, slow_start):
    for number in (worker.new_id(), worker.new_id()):
        worker.submit(Job(number, PLAN))
    with qtbot.waitSignal(worker.stopped) as said:
        worker.cancel(1)
    assert said.args == [1]
    slow_start.set()
    qtbot.waitUntil(lambda: len(process.jobs) == 1)
    assert process.jobs[0].id == 2
    worker.cancel(2)
    assert process.cancelled == [2]
