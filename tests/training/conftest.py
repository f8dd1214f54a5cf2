"""A small set of prepared inputs on disk, and what a loop needs around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from saliency_viewer.domain import InputSpec
from saliency_viewer.training.inputs import Inputs
from saliency_viewer.training.loop import Material


@pytest.fixture
def as_inputs(tmp_path: Path) -> Callable[..., Inputs]:
    """A function that keeps an array (N, C, *spatial) as prepared cases."""

    def keep(array: np.ndarray, channels: int = 1) -> Inputs:
        folder = tmp_path / "inputs"
        folder.mkdir(exist_ok=True)
        names = tuple(f"{number}.safetensors" for number in range(len(array)))
        for name, values in zip(names, array.astype(np.float32), strict=True):
            save_file({"inputs": np.ascontiguousarray(values)}, folder / name, {"image": name})
        spec = InputSpec("3d" if array.ndim == 5 else "2d", channels, tuple(array.shape[2:]))
        return Inputs(spec, names, names, {}, folder)

    return keep


@pytest.fixture
def squares(as_inputs: Callable[..., Inputs]) -> Callable[[int], Material]:
    """A function that makes a set whose second class has a bright square: three quarters train, the rest validates."""

    def make(count: int) -> Material:
        random = np.random.default_rng(0)
        labels = np.arange(count) % 2
        array = 0.3 * random.standard_normal((count, 1, 24, 24))
        array[labels == 1, :, 6:14, 6:14] += 1.0
        most = count * 3 // 4
        return Material(as_inputs(array), labels, (1.0, 1.0), tuple(range(most)), tuple(range(most, count)))

    return make


@pytest.fixture
def small_network() -> Callable[[], torch.nn.Module]:
    """A function that makes the same small network each time, with dropout, so that random states count."""

    def make() -> torch.nn.Module:
        from saliency_viewer.models.builtin import SmallCNN

        with torch.random.fork_rng():
            torch.manual_seed(7)
            network = SmallCNN(2, width=4, downsamplings=2)
            network.head = torch.nn.Sequential(torch.nn.Dropout(0.3), network.head)
        return network

    return make
