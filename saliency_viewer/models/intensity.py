"""Intensity steps: from modality values to what the network was trained on.

A step from the card is first *fitted* to an image (``zscore`` needs its mean, ``percentile`` its
percentiles), which gives a function of single values. The fitted steps of a volume can so be applied
to some of its slices only, and to the darkest value that the image could hold. From the first step that
looks at every slice alone (``per = "slice"``) on, steps are fitted to each slice as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import CheckedTable, near_match
from saliency_viewer.models.intensity_steps import STEPS, Fitted, Interval, Keys, Step, Values

__all__ = [
    "STEPS",
    "IntensityChain",
    "Interval",
    "Toned",
    "Values",
    "check_order",
    "fit_steps",
    "needs_whole_image",
    "parse_steps",
]

Entries = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Toned:
    """Slices on their way through the steps.

    Parameters
    ----------
    values:
        (channel, slice, row, column) float32.
    ends:
        (channel, slice, 1, 2): what the darkest and the brightest value that the encoding can hold became.
    intervals:
        For each slice the interval that its values are known to lie in.
    """

    values: Values
    ends: Values
    intervals: tuple[Interval, ...]

    @classmethod
    def of(cls, values: Values, interval: Interval) -> Toned:
        """Modality values of an encoding that can hold ``interval``."""
        count = values.shape[1]
        ends = np.broadcast_to(np.asarray(interval, dtype=np.float32), (1, count, 1, 2))
        return cls(values, ends, (interval,) * count)

    def slice(self, index: int) -> Toned:
        """One of the slices."""
        only = slice(index, index + 1)
        return Toned(self.values[:, only], self.ends[:, only], self.intervals[only])

    def after(self, fitted: Fitted) -> Toned:
        """With one more step taken."""
        of_single = fitted.of_single or fitted.apply
        return Toned(fitted.apply(self.values), of_single(self.ends), (fitted.interval,) * len(self.intervals))


def parse_steps(listed: object, channels: int, key: str = "intensity") -> Entries:
    """Check ``[input] intensity`` (or another list of such steps) and return it as written.

    Raises :class:`UserError`.
    """
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise UserError(
            f"model.toml: input.{key} must be a list of tables.",
            'Write it like [ { step = "scale", from = [0, 255], to = [0, 1] } ].',
        )
    for number, entry in enumerate(listed, start=1):
        _checked(entry, channels, f"input.{key} step {number}")
    check_order(tuple(listed), f"input.{key}")
    return tuple(listed)


def check_order(entries: Entries, name: str) -> None:
    """Refuse a step over all slices behind one that looks at each alone: batches of slices would then differ."""
    first = _first_by_slice(entries)
    for number, entry in enumerate(entries[first:], start=first + 1):
        if _step(entry["step"]).needs_values and not _is_by_slice(entry):
            raise UserError(
                f"model.toml: {name} step {number} looks at the whole volume, a step before it at each slice.",
                'Write per = "slice" in it too, or put it first.',
            )


def _step(name: object) -> Step:
    for step in STEPS:
        if step.name == name:
            return step
    raise UserError(
        f"model.toml: there is no intensity step {name!r}.", near_match(str(name), [step.name for step in STEPS])
    )


def _checked(entry: Mapping[str, Any], channels: int, name: str = "input.intensity") -> tuple[Step, Keys]:
    table = CheckedTable(name, entry)
    step = _step(table.take("step"))
    keys = step.check(table, channels)
    if step.needs_values and not step.by_slice:
        table.choice("per", ("volume", "slice"), "volume")
    table.finish()
    return step, keys


def _is_by_slice(entry: Mapping[str, Any]) -> bool:
    return _step(entry["step"]).by_slice or entry.get("per") == "slice"


def _first_by_slice(entries: Entries) -> int:
    return next((k for k, entry in enumerate(entries) if _is_by_slice(entry)), len(entries))


def needs_whole_image(entries: Entries) -> bool:
    """Whether a step depends on the values of the whole image (its mean, its percentiles)."""
    return any(_step(entry["step"]).needs_values for entry in entries[: _first_by_slice(entries)])


@dataclass(frozen=True)
class IntensityChain:
    """Steps of one image: ``fitted`` ones of the whole, then ``rest``, which every slice is fitted to alone."""

    fitted: tuple[Fitted, ...]
    rest: Entries
    channels: int

    def apply(self, toned: Toned) -> Toned:
        """Take all steps; the slices may be any of the image's, in any order."""
        for fitted in self.fitted:
            toned = toned.after(fitted)
        if not self.rest:
            return toned
        return _joined([self._alone(toned.slice(k)) for k in range(len(toned.intervals))])

    def _alone(self, one: Toned) -> Toned:
        chain = _fit_in_turn(self.rest, self.channels, one.values, one.intervals[0])
        for fitted in chain:
            one = one.after(fitted)
        return one


def _joined(slices: Sequence[Toned]) -> Toned:
    return Toned(
        np.concatenate([one.values for one in slices], axis=1),
        np.concatenate([one.ends for one in slices], axis=1),
        tuple(one.intervals[0] for one in slices),
    )


def fit_steps(
    entries: Entries, channels: int, values: Values | None, interval: Interval, by_slice: bool = False
) -> IntensityChain:
    """Fit the steps, in order, to an image.

    Parameters
    ----------
    entries:
        The card's steps.
    channels:
        Of the network's input.
    values:
        (channel, slice, row, column) finite modality values of the whole image; None is enough when
        :func:`needs_whole_image` says no.
    interval:
        In which they lie: what the encoding can represent where that is known, else their extremes. A
        ``scale`` step without ``from`` starts from it (from what the steps before it made of it).
    by_slice:
        Leave every step to the single slices: what came before was fitted to each of them.
    """
    first = 0 if by_slice else _first_by_slice(entries)
    values = np.zeros((1, 1, 1, 1), np.float32) if values is None else values
    return IntensityChain(_fit_in_turn(entries[:first], channels, values, interval), entries[first:], channels)


def _fit_in_turn(entries: Entries, channels: int, values: Values, interval: Interval) -> tuple[Fitted, ...]:
    checked = [_checked(entry, channels) for entry in entries]
    last = max((k for k, (step, _) in enumerate(checked) if step.needs_values), default=-1)
    chain: list[Fitted] = []
    for position, (step, keys) in enumerate(checked):
        fitted = step.fit(keys, values, interval)
        chain.append(fitted)
        interval = fitted.interval
        if position < last:  # values are carried along only as far as a later step wants to see them
            values = fitted.apply(values)
    return tuple(chain)
