"""How soon a cancelled computation stops, and whether many runs leave memory behind."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from benchmarks.attribution.memory import resident
from benchmarks.attribution.subjects import Setting, Subject
from benchmarks.attribution.timing import quartiles, say
from saliency_viewer.attribution import explain
from saliency_viewer.errors import Cancelled

_LATEST = 3.0  # seconds after the start at which cancel may be set


def cancel_latency(setting: Setting) -> dict[str, Any]:
    """Seconds from setting cancel to Cancelled, during integrated gradients in 2 and 3 dimensions."""
    trials = 5 if setting.quick else 20
    names = ("DenseNet-121", "MONAI DenseNet121 3D")
    return {name: _latencies(setting.subject(name), trials) for name in names}


def _latencies(subject: Subject, trials: int) -> dict[str, Any]:
    draw = random.Random(0)
    found: list[float] = []
    finished = 0
    while len(found) < trials and finished < 3 * trials:
        say(f"cancel: {subject.name}, trial {len(found) + 1} of {trials}")
        seconds = _one(subject, draw.uniform(0.0, _LATEST))
        if seconds is None:
            finished += 1  # the work was done before it could be cancelled
        else:
            found.append(seconds)
    if not found:
        return {"trials": 0, "note": "every run was finished before it could be cancelled"}
    return {
        "trials": len(found),
        "median_ms": 1000 * quartiles(found)[1],
        "max_ms": 1000 * max(found),
        "shape": list(subject.inputs.shape),
        "all_ms": [1000 * value for value in found],
    }


def _one(subject: Subject, delay: float) -> float | None:
    wish = threading.Event()

    def work() -> float | None:
        try:
            explain(
                subject.network,
                subject.inputs,
                ["integrated-gradients"],
                subject.target,
                parameters={"integrated-gradients": {"steps": 50}},
                cancel=wish.is_set,
            )
        except Cancelled:
            return time.perf_counter()
        return None

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        time.sleep(delay)
        begin = time.perf_counter()
        wish.set()
        stopped = running.result()  # what else went wrong in there is raised here
    return None if stopped is None else stopped - begin


def leftovers(setting: Setting) -> dict[str, Any]:
    """Resident MiB after 50, 150 and 300 runs on the small chest network."""
    subject, marks = setting.subject("chest"), {}
    methods = ("gradient", "grad-cam", "guided-backprop", "lrp-epsilon-plus", "integrated-gradients")
    parameters = {"integrated-gradients": {"steps": 3}}
    cuda = subject.inputs.is_cuda
    for number in range(1, 301):
        method = methods[number % len(methods)]
        explain(subject.network, subject.inputs, method, subject.target, parameters=parameters)
        if number in (50, 150, 300):
            marks[str(number)] = (torch.cuda.memory_allocated() if cuda else resident()) / 2**20
            say(f"leak: {number} runs, {marks[str(number)]:.1f} MiB")
    return {"mib": marks, "growth_150_to_300_mib": marks["300"] - marks["150"]}
