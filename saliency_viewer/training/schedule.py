"""The learning rate over a training: one cycle, up and down again (Smith and Topin 2019), as cosines."""

from __future__ import annotations

import math

_RISING = 0.3  # of the steps
_START, _END = 1 / 25, 1 / 250_000  # of the highest rate


def one_cycle(step: int, steps: int, highest: float) -> float:
    """The rate of ``step`` (from 0) of ``steps``: torch's ``OneCycleLR`` without its momentum, as a plain function.

    A function of the step alone needs no state in a checkpoint.
    """
    top = _RISING * steps - 1
    if step <= top:
        return _between(_START * highest, highest, step / top)
    return _between(highest, _END * highest, (step - top) / (steps - 1 - top) if steps - 1 > top else 1.0)


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
