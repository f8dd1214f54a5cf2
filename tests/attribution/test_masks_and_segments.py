"""RISE against its expectation for a linear score; XRAI's segments and their ranking, also by PAIR's own code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from formulas import Formula, drawn, one, top
from numpy.typing import NDArray
from saliency.core import XRAI
from scipy import ndimage
from torch import Tensor

from saliency_viewer.attribution.segments import ranked_segments, segments_of

SEEDS = 200


def line() -> Tensor:
    return torch.tensor([[[1.0, -2.0, 0.5, 3.0, 1.5]]], dtype=torch.float64)


WEIGHT = torch.tensor([2.0, 1.0, -1.0, 0.5, 0.0], dtype=torch.float64)
LINEAR = Formula(lambda x: x * WEIGHT)


@pytest.mark.parametrize("probability", [0.3, 0.5, 0.8])
def test_rise_of_a_linear_score_has_its_expectation_and_an_honest_error(probability: float) -> None:
    """E[f(x m) m_i] / p = p f(x) + (1 - p) w_i x_i for independent masks of single pixels."""
    maps, errors = drawn(LINEAR, line(), "rise", SEEDS, samples=40, cells=5, probability=probability, batch_size=40)
    expected = probability * float((line() * WEIGHT).sum()) + (1 - probability) * WEIGHT * line()[0, 0]
    spread = maps.std(0)
    assert bool(((maps.mean(0)[0] - expected).abs() < 5 * spread[0] / SEEDS**0.5).all())
    assert float(errors.mean()) == pytest.approx(float(spread.mean()), rel=0.1)


def test_hidden_parts_become_the_baseline() -> None:
    """E[f(x0 + m (x - x0)) m_i] / p = f(x0) + p (f(x) - f(x0)) + (1 - p) w_i (x_i - x0_i)."""
    x, base, p = line(), torch.full_like(line(), 4.0), 0.5
    wishes = {"samples": 40, "cells": 9, "probability": p, "fill": "baseline", "baseline": base, "batch_size": 40}
    maps, _ = drawn(LINEAR, x, "rise", SEEDS, **wishes)
    start, change = float((base * WEIGHT).sum()), (x - base)[0, 0] * WEIGHT
    expected = start + p * float(change.sum()) + (1 - p) * change
    assert bool(((maps.mean(0)[0] - expected).abs() < 5 * maps.std(0)[0] / SEEDS**0.5).all())


@pytest.mark.parametrize("shape", [(1, 1, 31), (1, 2, 17, 23), (1, 1, 9, 12, 10)])
def test_coarse_masks_cover_every_place_alike(shape: tuple[int, ...]) -> None:
    """A score that sees nothing of the image is the mean mask: p everywhere, at the border too."""
    constant = Formula(lambda v: v * 0.0 + 1.0 / v[0].numel())
    x = torch.ones(shape, dtype=torch.float64)
    found = one(constant, x, "rise", samples=900, cells=4, probability=0.5, batch_size=100)
    mean_mask = found.signed.double().sum(1)  # over p, so that it is 1 everywhere
    # A mask's spread is at most that of a coin, 1 after division by p.
    assert top(mean_mask - 1.0) < 5 / 900**0.5
    assert float(mean_mask.std()) > 0


def test_a_patch_of_evidence_is_found() -> None:
    """The map's top lies where all the weight is, whatever the size of the cells."""
    weight = torch.zeros(1, 24, 20, dtype=torch.float64)
    weight[:, 14:19, 3:8] = 1.0
    found = one(Formula(lambda v: v * weight), torch.ones(1, 1, 24, 20, dtype=torch.float64), "rise", samples=400)
    values = found.signed[0, 0]
    place = np.unravel_index(int(values.argmax()), values.shape)
    assert 12 <= place[0] <= 20
    assert 1 <= place[1] <= 9


# --- XRAI ---------------------------------------------------------------------------------------------------------


def two_squares(axes: int) -> tuple[Tensor, Tensor, dict[str, tuple[slice, ...]]]:
    """An image with a bright and a dimmer square, and weights that are stronger in the bright one."""
    side = 48 if axes == 2 else 24
    near, far = slice(side // 8, side // 8 + side // 4), slice(side // 2, side // 2 + side // 4)
    places = {"bright": (near,) * axes, "dim": (far,) * axes}
    image, weight = torch.zeros(1, 1, *[side] * axes).double(), torch.full([side] * axes, 1e-3).double()
    for name, (brightness, strength) in {"bright": (1.0, 2.0), "dim": (0.6, 1.0)}.items():
        image[(0, 0, *places[name])] = brightness
        weight[places[name]] = strength
    return image, weight, places


@pytest.mark.parametrize("axes", [2, 3])
def test_two_known_segments_are_ordered(axes: int) -> None:
    """The IG of a linear score from black and from white is w (x - 0.5): the bright square is for, the rest against."""
    x, weight, places = two_squares(axes)
    found = one(Formula(lambda v: v * weight), x, "xrai", steps=1, dilation=0).signed[0, 0]
    bright, dim = (float(found[places[name]].mean()) for name in ("bright", "dim"))
    outside = float(found[(slice(0, 2),) * axes].mean())
    assert bright > dim > outside
    loose = 0.1 if axes == 2 else 0.25  # supervoxels keep less to edges
    assert bright == pytest.approx(2.0 * 0.5, rel=loose)
    assert dim == pytest.approx(1.0 * 0.1, rel=3 * loose)


def test_a_map_of_segments_is_constant_on_each_of_them() -> None:
    x, weight, places = two_squares(2)
    found = one(Formula(lambda v: v * weight), x, "xrai", steps=1, dilation=0).signed[0, 0]
    inside = found[places["bright"]][1:-1, 1:-1]
    assert float(inside.std()) < 1e-6 * float(inside.abs().max())


def discs(count: int, side: int, seed: int) -> list[NDArray[np.bool_]]:
    """Overlapping masks that together leave something uncovered."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices((side, side))
    found = []
    for _ in range(count):
        (row, column), radius = random.uniform(0, side, 2), random.uniform(5, side / 3)
        found.append((rows - row) ** 2 + (columns - column) ** 2 < radius**2)
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ranking_equals_pair_s_with_given_segments(seed: int) -> None:
    """PAIR takes the largest over channels of an attribution (rows, columns, channels) and at least 50 new pixels."""
    side = 100
    base = np.random.default_rng(seed + 10).normal(size=(side, side, 3))
    masks = discs(25, side, seed)
    theirs = XRAI().GetMask(np.zeros((side, side, 3)), None, segments=masks, base_attribution=base)
    mine = ranked_segments(base.max(-1), map(np.flatnonzero, masks))
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)
    assert len(np.unique(mine)) > 5


def test_widened_segments_hold_what_they_held_and_cover_everything() -> None:
    image = np.random.default_rng(0).normal(size=(1, 40, 32))
    plain, wide = list(segments_of(image, 0)), list(segments_of(image, 3))
    for before, after in zip(plain, wide, strict=True):
        mask = np.zeros(image.shape[1:], bool)
        mask.flat[before] = True
        assert np.array_equal(after, np.flatnonzero(ndimage.binary_dilation(mask, iterations=3)))
    assert any(len(after) > len(before) for before, after in zip(plain, wide, strict=True))
    assert len(np.unique(np.concatenate(plain))) == mask.size


@pytest.mark.parametrize("shape", [(1, 33), (2, 24, 20), (1, 12, 14, 10)])
def test_images_of_one_value_have_one_map_of_one_value(shape: tuple[int, ...]) -> None:
    """Nothing to divide: every position gets the mean of all."""
    segments = list(segments_of(np.full(shape, 3.0), 2))
    density = np.random.default_rng(1).normal(size=shape[1:])
    assert len(np.unique(np.concatenate(segments))) == density.size
    assert np.isfinite(ranked_segments(density, segments)).all()
