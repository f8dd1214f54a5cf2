"""Memory: it does not grow with the work, running out of it only makes chunks smaller, and nothing stays behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_networks import FEW, inputs_for, make
from test_contract import assert_same, state_of
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from saliency_viewer.attribution import METHODS, Results, explain

IDS = [found.id for found in METHODS]
# Methods whose backward pass runs through convolutions; the others read a late layer or run forward only.
BACKWARD = [
    *("gradient", "input-x-gradient", "smooth-grad", "smooth-grad-squared", "var-grad", "integrated-gradients"),
    *("smooth-integrated-gradients", "noise-tunnel-ig", "blur-ig", "guided-ig", "xrai", "gradient-shap", "deep-lift"),
    *("guided-backprop", "guided-grad-cam", "deconvnet", "excitation-backprop"),
    *(key for key in IDS if key.startswith("lrp-")),
]
PROBES = Path(__file__).with_name("resource_probes.py")
MIB = 2**20


class FullMemory(TorchDispatchMode):
    """Convolutions fail with torch's own words when their batch has more than ``rows``.

    ``backward``: those of the backward pass only.
    """

    WORDS = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"

    def __init__(self, rows: int, backward: bool = False) -> None:
        super().__init__()
        self.rows, self.backward, self.failures = rows, backward, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        asked = not self.backward or torch._C._current_graph_task_id() != -1
        if asked and "convolution" in func.__name__ and len(args[0]) > self.rows:
            self.failures += 1
            raise RuntimeError(self.WORDS)
        return func(*args, **(kwargs or {}))


def run(network: nn.Module, inputs: Tensor, methods: Any, **wishes: Any) -> Results:
    wanted = [methods] if isinstance(methods, str) else methods
    few = {key: value for key, value in FEW.items() if key in wanted}
    return explain(network, inputs, wanted, 1, parameters=few, **wishes)


def assert_equal_maps(found: Results, expected: Results) -> None:
    assert set(found) == set(expected)
    for key in expected:
        assert torch.allclose(found[key].signed, expected[key].signed, rtol=0, atol=1e-5 * top(expected[key].signed))


def top(values: Tensor) -> float:
    return float(values.abs().max())


@pytest.fixture(scope="module")
def subject() -> tuple[nn.Module, Tensor, Results]:
    network, inputs = make("residual", 2).double(), inputs_for(2, 5).double()
    return network, inputs, run(network, inputs, IDS, batch_size=64)


@pytest.mark.parametrize(("key", "backward"), [*((k, False) for k in IDS), *((k, True) for k in BACKWARD)])
def test_when_memory_runs_out_the_chunk_halves_and_the_map_is_the_same(
    subject: tuple[nn.Module, Tensor, Results], key: str, backward: bool
) -> None:
    network, inputs, expected = subject
    before, memory, seen = state_of(network), FullMemory(2, backward), []
    with memory:
        found = run(network, inputs, key, batch_size=8, progress=lambda fraction, _text: seen.append(fraction))
    assert memory.failures >= 1
    assert found[key].provenance.batch_size <= 2
    assert torch.allclose(found[key].signed, expected[key].signed, rtol=0, atol=1e-5 * top(expected[key].signed))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert_same(before, state_of(network))


@pytest.mark.parametrize("key", IDS)
def test_where_one_row_does_not_fit_the_error_says_so_and_leaves_no_trace(
    subject: tuple[nn.Module, Tensor, Results], key: str
) -> None:
    network, inputs, _ = subject
    network.train()
    before = state_of(network)
    with pytest.raises(RuntimeError, match="can't allocate memory"), FullMemory(0):
        run(network, inputs, key)
    assert_same(before, state_of(network))


@pytest.mark.parametrize("size", [1, 3])
def test_chunked_is_unchunked(subject: tuple[nn.Module, Tensor, Results], size: int) -> None:
    network, inputs, expected = subject
    assert_equal_maps(run(network, inputs, IDS, batch_size=size), expected)


def probe(name: str) -> Any:
    """What a function of resource_probes.py finds in a process of its own; skips where it cannot be measured."""
    # A fixed threshold gives every large block back to the system at once, so that resident memory tells what is held.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, str(PROBES), name], env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    if "skip" in found:
        pytest.skip(found["skip"])
    return found


linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of memory")


@linux
def test_memory_does_not_grow_with_steps_samples_or_masks() -> None:
    found = probe("growth")
    # Ninety more maps, or rows of a batch, would take far more than this.
    assert found["map"] * 90 > 50 * MIB
    grown = {key: (many - few) / MIB for key, (few, many) in found["peaks"].items()}
    assert max(grown.values()) < 12, grown


@linux
def test_a_real_limit_of_memory_gives_smaller_chunks_and_the_same_maps() -> None:
    for key, result in probe("limit").items():
        assert result["free"] == 16, key  # rows of a chunk that was let alone
        assert result["limited"] < 16, key
        assert result["difference"] <= 1e-5, key


@linux
def test_three_hundred_runs_keep_resident_memory_flat() -> None:
    after_100, after_300 = probe("runs")
    assert after_300 - after_100 < 4 * MIB
