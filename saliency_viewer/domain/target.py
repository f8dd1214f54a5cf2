"""Which number of the network's output is explained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ScoreTarget:
    """The explained score f of one class, as a function of the raw outputs.

    f = ``sign`` * output[``index``]; a one-output network's first class has sign -1. With
    ``log_odds`` the network already ends in probabilities and f = sign * (log p - log(1 - p)).
    """

    name: str
    index: int
    sign: float = 1.0
    log_odds: bool = False
