"""Small random changes that leave the class as it is, in two and three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.runtime.seeds import generator

if TYPE_CHECKING:
    from torch import Tensor

_TURN = math.radians(8.0)  # at most, about each axis
_SHIFT = 0.05  # of the side, at most
_ZOOM = 0.1
_CONTRAST = 0.15
_BRIGHTNESS = 0.15  # of the image's own standard deviation

Matrix = NDArray[np.float64]


def augmented(inputs: Tensor, cases: Sequence[int], seed: int, epoch: int, kind: str) -> Tensor:
    """Turn, shift, zoom, and change contrast and brightness of each case; ``kind`` "mirror" may swap left and right.

    Parameters
    ----------
    inputs:
        (N, C, *spatial) float32, two or three spatial axes, on any device.
    cases:
        The N cases' numbers: what is drawn depends on case, epoch and seed alone, not on the batch around it.
    kind:
        "standard", "mirror" or "none".

    Returns
    -------
    The same shape; what comes in from outside is the image's own border, repeated.
    """
    import torch

    if kind == "none":
        return inputs
    drawn = [generator(seed, "augment", epoch, case) for case in cases]
    shape = tuple(inputs.shape[2:])
    places = np.stack([_place(random, shape, kind == "mirror") for random in drawn])
    theta = torch.from_numpy(places).to(inputs)
    grid = torch.nn.functional.affine_grid(theta, list(inputs.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(inputs, grid, padding_mode="border", align_corners=False)
    greys = np.array([random.uniform(-1.0, 1.0, 2) for random in drawn])
    gain, offset = (torch.from_numpy(part).to(inputs).reshape(-1, *[1] * (inputs.ndim - 1)) for part in greys.T)
    axes = tuple(range(1, inputs.ndim))
    mean, deviation = moved.mean(axes, keepdim=True), moved.std(axes, keepdim=True)
    return (moved - mean) * (1 + _CONTRAST * gain) + mean + _BRIGHTNESS * offset * deviation


def _place(random: np.random.Generator, shape: tuple[int, ...], mirror: bool) -> Matrix:
    """(n, n + 1) from the coordinates -1..1 (last axis first, as torch has them) of the result to those of the input.

    Turning happens in cells, not in parts of the side, so that it deforms nothing on grids that are no cubes.
    """
    axes = len(shape)
    angles = random.uniform(-_TURN, _TURN, 3)
    zoom = 1.0 + random.uniform(-_ZOOM, _ZOOM)
    shift = random.uniform(-2 * _SHIFT, 2 * _SHIFT, 3)[:axes]  # the side is 2 long
    flipped = bool(random.random() < 0.5) and mirror
    linear = _turned(angles, axes) * zoom
    if flipped:
        linear = linear @ np.diag([-1.0] + [1.0] * (axes - 1))  # columns run from one side of the patient to the other
    sides = np.array(shape[::-1], dtype=np.float64)
    return np.concatenate([linear * sides[None, :] / sides[:, None], shift[:, None]], axis=1)


def _turned(angles: NDArray[np.float64], axes: int) -> Matrix:
    """A rotation in the plane of row and column, and in three dimensions about the other two axes as well."""
    turn = np.eye(axes)
    for angle, (a, b) in zip(angles, ((0, 1), (0, 2), (1, 2)), strict=True):
        if b >= axes:
            break
        one = np.eye(axes)
        one[a, a] = one[b, b] = math.cos(angle)
        one[b, a] = math.sin(angle)
        one[a, b] = -one[b, a]
        turn = turn @ one
    return turn
