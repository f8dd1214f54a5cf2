"""Measurements that need a process of their own: ``python resource_probes.py NAME`` prints one line of JSON."""

from __future__ import annotations

import itertools
import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from saliency_viewer.attribution import explain

SIDE = 256
# Method, then its parameters for little and for ten times as much work.
GROWTH: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "smooth-grad": ({"samples": 10}, {"samples": 100}),
    "var-grad": ({"samples": 10}, {"samples": 100}),
    "gradient-shap": ({"samples": 10}, {"samples": 100}),
    "rise": ({"samples": 10}, {"samples": 100}),
    "integrated-gradients": ({"steps": 10}, {"steps": 100}),
    "blur-ig": ({"steps": 10, "sigma": 3.0}, {"steps": 100, "sigma": 3.0}),
    "guided-ig": ({"steps": 10}, {"steps": 100}),
    "smooth-integrated-gradients": ({"samples": 5, "steps": 2}, {"samples": 50, "steps": 2}),
    "noise-tunnel-ig": ({"samples": 5, "steps": 2}, {"samples": 50, "steps": 2}),
    "occlusion": ({"size": 64, "stride": 64}, {"size": 32, "stride": 25}),
    "score-cam": ({"clusters": 6}, {"clusters": 60}),
}
RUNS: dict[str, dict[str, Any]] = {
    "gradient": {},
    "grad-cam": {},
    "ablation-cam": {},
    "smooth-grad": {"samples": 6},
    "integrated-gradients": {"steps": 5},
    "guided-ig": {"steps": 4},
    "rise": {"samples": 8},
    "occlusion": {"size": 6, "stride": 5},
    "deep-lift": {},
    "layer-deep-lift": {},
    "guided-backprop": {},
    "lrp-epsilon-plus": {},
}


def status(field: str) -> int:
    """Bytes of a line of /proc/self/status."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def peak(work: Callable[[], Any]) -> int:
    """Bytes by which resident memory rose at most while ``work`` ran."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew at what is resident now
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


def wide(channels: int, stride: int) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    layers = (
        nn.Conv2d(3, channels, 3, stride=stride, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, stride=stride, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 3),
    )
    return nn.Sequential(*layers).eval(), torch.randn(1, 3, SIDE, SIDE)


def growth() -> dict[str, Any]:
    """Peaks of little and of much work for each method, and the bytes of one map."""
    network, inputs = wide(64, 4)
    try:
        peak(lambda: None)
    except OSError as error:
        return {"skip": f"the peak of resident memory cannot be set back here: {error}"}
    peaks = {}
    for key, (few, many) in GROWTH.items():

        def work(chosen: dict[str, Any], key: str = key) -> None:
            explain(network, inputs, key, 0, parameters={key: chosen}, batch_size=4)

        work(few)  # what is loaded and kept by the libraries at a first use is not the method's
        peaks[key] = [peak(lambda chosen=chosen: work(chosen)) for chosen in (few, many)]
    return {"map": inputs.nbytes, "peaks": peaks}


def limit() -> dict[str, Any]:
    """Chunks and maps under a limit of the address space that a whole chunk does not keep to."""
    network, inputs = wide(32, 1)
    inputs = inputs + 0.1 * torch.randn(16, 3, SIDE, SIDE)
    small = inputs[:1]
    cases: dict[str, tuple[Tensor, dict[str, Any]]] = {
        "integrated-gradients": (small, {"steps": 16}),
        "gradient": (inputs, {}),
        "lrp-epsilon-plus": (inputs, {}),
    }
    found = {}
    for key, (given, chosen) in cases.items():

        def work(given: Tensor = given, chosen: dict[str, Any] = chosen, key: str = key) -> Any:
            parameters = {key: chosen}
            return explain(network, given, key, 0, parameters=parameters, batch_size=16, memory_budget=2**40)[key]

        free = work()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (status("VmSize") + 300 * 2**20, before[1]))
        limited = work()
        resource.setrlimit(resource.RLIMIT_AS, before)
        difference = float((free.signed - limited.signed).abs().max() / free.signed.abs().max())
        sizes = {"free": free.provenance.batch_size, "limited": limited.provenance.batch_size}
        found[key] = {**sizes, "difference": difference}
    return found


def runs() -> list[int]:
    """Resident bytes after 100 and after 300 runs of one method after the other."""
    sys.path.insert(0, str(Path(__file__).parent))
    from small_networks import inputs_for, make

    network, inputs = make("residual", 2), inputs_for(2)
    resident = []
    for number, (key, chosen) in zip(range(1, 301), itertools.cycle(RUNS.items()), strict=False):
        explain(network, inputs, key, 0, parameters={key: chosen})
        if number in (100, 300):
            resident.append(status("VmRSS"))
    return resident


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"growth": growth, "limit": limit, "runs": runs}[sys.argv[1]]()) + "\n")
