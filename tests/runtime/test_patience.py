"""How long a worker may take does not depend on who else uses the computer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saliency_viewer.runtime.patience import Patience, spent

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells what a process has computed")


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that computes without end."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield process
        process.kill()


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits without end."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@linux
def test_a_process_that_gets_no_processor_is_waited_for(busy: subprocess.Popen[bytes]) -> None:
    over = threading.Event()
    os.kill(busy.pid, signal.SIGSTOP)
    with Patience(busy.pid, 0.5, over.set):
        assert not over.wait(1.2)
        os.kill(busy.pid, signal.SIGCONT)
        assert over.wait(60)


@linux
def test_even_then_there_is_an_end(busy: subprocess.Popen[bytes]) -> None:
    over = threading.Event()
    os.kill(busy.pid, signal.SIGSTOP)
    with Patience(busy.pid, 0.05, over.set):
        assert over.wait(60)


@pytest.mark.parametrize("kind", ["busy", "idle"])
def test_a_process_that_computes_or_sleeps_for_too_long_is_given_up(request: pytest.FixtureRequest, kind: str) -> None:
    over = threading.Event()
    with Patience(request.getfixturevalue(kind).pid, 0.3, over.set):
        assert over.wait(60)


def test_who_is_ready_in_time_is_left_alone(idle: subprocess.Popen[bytes]) -> None:
    over = threading.Event()
    with Patience(idle.pid, 30.0, over.set):
        pass
    assert not over.is_set()


@linux
def test_what_a_process_computed_is_what_the_system_says() -> None:
    before = time.process_time()
    while time.process_time() < before + 0.1:
        pass
    found = spent(os.getpid())
    assert found is not None
    assert not found.sleeps
    assert found.seconds == pytest.approx(time.process_time(), abs=0.1)


def test_a_process_that_is_gone_has_spent_nothing_that_is_known() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert spent(process.pid) is None
