"""Phantoms as training samples, through the very preprocessing that the package declares."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saliency_viewer.models.prepared import Preparation
from saliency_viewer.phantoms import Phantom
from saliency_viewer.training.demo.loop import Samples
from saliency_viewer.training.demo.recipes import RECIPES, Recipe

Array = NDArray[np.float32]


def _pair(name: str, seed: int) -> list[Array]:
    """The inputs of the same patient without and with a finding."""
    torch.set_num_threads(1)
    recipe = RECIPES[name]
    slices = () if recipe.card.input.layout == "3d" else (0,)
    phantoms = (recipe.draw(seed, finding) for finding in (False, True))
    return [Preparation(recipe.card.input, phantom.volume).of(slices).inputs[0].numpy() for phantom in phantoms]


def make_samples(recipe: Recipe, first_seed: int, workers: int = 2) -> Samples:
    """``recipe.pairs`` patients from ``first_seed`` on, each without and with a finding."""
    seeds = range(first_seed, first_seed + recipe.pairs)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        rows = [row for pair in pool.map(partial(_pair, recipe.name), seeds, chunksize=5) for row in pair]
    return Samples(torch.from_numpy(np.stack(rows)), torch.arange(len(rows)) % 2)


def unseen_phantoms(recipe: Recipe, first_seed: int, count: int) -> Iterator[Phantom]:
    """``count`` phantoms of seeds from ``first_seed`` on, every second one with a finding."""
    for number in range(count):
        yield recipe.unseen(first_seed + number, number % 2 == 1)


def jitter(recipe: Recipe, inputs: Tensor, random: torch.Generator) -> Tensor:
    """Mirror some batches left to right, shift them, and change brightness and contrast of every pair alike."""
    if torch.rand((), generator=random) < 0.5:
        inputs = inputs.flip(inputs.ndim - 1)  # columns run from one side of the patient to the other
    shape = (len(inputs) // 2, *[1] * (inputs.ndim - 1))
    gain = 1 + recipe.gain * torch.randn(shape, generator=random)
    offset = recipe.offset * torch.randn(shape, generator=random)
    most = recipe.shift
    steps = [int(step) for step in torch.randint(-most, most + 1, (inputs.ndim - 2,), generator=random)]
    both = inputs * gain.repeat_interleave(2, 0) + offset.repeat_interleave(2, 0)
    return both.roll(steps, list(range(2, inputs.ndim)))
