"""How far two runs of one network are apart, and whether that is more than rounding does to it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SAME = 1e-4  # of the largest answer: how far a translation's answers may be from the original's
_ROUNDING = 1e-6  # relative: a few units in the last place of float32


def disagreement(ours: Tensor, theirs: Tensor, inputs: Tensor, answer: Callable[[Tensor], Tensor]) -> float:
    """The largest difference between (N, outputs) and (N, outputs), as a share of the largest answer.

    A deep network may amplify rounding itself, for inputs unlike those that it was trained on, until nothing of its
    answer is certain. So an image for which ``answer`` changes with its inputs' last digits proves nothing, and is left
    out where others remain; infinite where none does, or where shapes or values make no sense.
    """
    if ours.shape != theirs.shape or not bool(torch.isfinite(theirs).all()):
        return float("inf")
    at_once = float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30))
    if at_once <= SAME:
        return at_once
    noise = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1))
    steady = _of_each(answer(inputs * (1 + _ROUNDING * noise)), theirs) <= SAME
    return float(_of_each(ours, theirs)[steady].max()) if bool(steady.any()) else float("inf")


def _of_each(found: Tensor, expected: Tensor) -> Tensor:
    """(N,) largest differences, each as a share of its own image's largest answer."""
    return (found - expected).abs().flatten(1).amax(1) / expected.abs().flatten(1).amax(1).clamp(min=1e-30)
