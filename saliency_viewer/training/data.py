"""Phantoms as training samples, through the very preprocessing that the package declares."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saliency_viewer.models.prepared import Preparation
from saliency_viewer.phantoms import Phantom
from saliency_viewer.training.loop import Samples
from saliency_viewer.training.recipes import RECIPES, Recipe

Array = NDArray[np.float32]


def finding_mask(phantom: Phantom) -> NDArray[np.bool_]:
    """Where the finding is (slice, row, column): the lesion, or the shrunken hippocampus; empty without one."""
    name = "lesion" if "lesion" in phantom.regions.names else f"{phantom.side} hippocampus"
    if phantom.side is None:
        return np.zeros(phantom.volume.geometry.shape, dtype=bool)
    return phantom.regions.mask(name).astype(bool)


def _pair(name: str, seed: int) -> list[tuple[Array, Array, int]]:
    """The same patient without and with a finding: input, mask, class."""
    torch.set_num_threads(1)
    recipe = RECIPES[name]
    found = []
    for label in (0, 1):
        phantom = recipe.draw(seed, bool(label))
        slices = () if recipe.card.input.layout == "3d" else (0,)
        inputs = Preparation(recipe.card.input, phantom.volume).of(slices).inputs[0]
        plain = replace(recipe.card.input, intensity=(), pad_value=0.0)
        truth = replace(phantom.volume, array=finding_mask(phantom).astype(np.float32), value_range=None)
        mask = Preparation(plain, truth).of(slices).inputs[0]
        found.append((inputs.numpy(), mask.numpy(), label))
    return found


def make_samples(recipe: Recipe, first_seed: int, workers: int = 2) -> Samples:
    """``recipe.pairs`` patients from ``first_seed`` on, each without and with a finding."""
    seeds = range(first_seed, first_seed + recipe.pairs)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        rows = [row for pair in pool.map(partial(_pair, recipe.name), seeds, chunksize=5) for row in pair]
    inputs, masks, labels = zip(*rows, strict=True)
    return Samples(torch.from_numpy(np.stack(inputs)), torch.tensor(labels), torch.from_numpy(np.stack(masks)))


def unseen_phantoms(recipe: Recipe, first_seed: int, count: int) -> Iterator[Phantom]:
    """``count`` phantoms of seeds from ``first_seed`` on, every second one with a finding."""
    for number in range(count):
        yield recipe.unseen(first_seed + number, number % 2 == 1)


def jitter(left_axis: int, inputs: Tensor, masks: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror some batches left to right, and change shift, brightness and contrast of every sample."""
    if torch.rand((), generator=random) < 0.5:
        inputs, masks = inputs.flip(left_axis), masks.flip(left_axis)
    shape = (len(inputs), *[1] * (inputs.ndim - 1))
    gain = 1 + 0.12 * torch.randn(shape, generator=random)
    offset = 0.04 * torch.randn(shape, generator=random)
    steps = [int(step) for step in torch.randint(-3, 4, (inputs.ndim - 2,), generator=random)]
    axes = list(range(2, inputs.ndim))
    return (inputs * gain + offset).roll(steps, axes), masks.roll(steps, axes)
