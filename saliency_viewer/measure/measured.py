"""What one statistic says about one region."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from saliency_viewer.measure.evidence import RegionEvidence


@dataclass(frozen=True)
class Measured:
    """A number, what to hold it against, and a remark. ``value`` None: undefined, ``note`` says why."""

    value: float | None
    reference: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Statistic:
    """A statistic as a row of the table: its name and unit, and the function that gives it."""

    name: str
    unit: str
    compute: Callable[[RegionEvidence], Measured]


def undefined(reason: str) -> Measured:
    """No number, and why."""
    return Measured(None, None, reason)
