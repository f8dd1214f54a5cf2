"""Intensity steps: from modality values to what the network was trained on.

A step from the card is first *fitted* to an image (``zscore`` needs its mean, ``percentile`` its
percentiles), which gives a function of single values. The fitted steps of a volume can so be applied
to some of its slices only, and to the darkest value that the image could hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import CheckedTable, near_match

Values = NDArray[np.float32]  # (channel, slice, row, column); one channel until a step tells them apart
Pointwise = Callable[[Values], Values]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Fitted:
    """A step that knows its image: a function of single values, and the interval its values lie in."""

    apply: Pointwise
    interval: Interval | None = None  # None: channels differ, or unknown


@dataclass(frozen=True)
class Step:
    """A kind of step: how its keys are checked, and how it is fitted.

    ``fit(keys, values, interval)`` gets the checked keys, all values of the image before this step and the
    interval they are known to lie in. ``needs_values`` says that the values themselves are looked at.
    """

    name: str
    check: Callable[[CheckedTable, int], Mapping[str, Any]]
    fit: Callable[[Mapping[str, Any], Values, Interval], Fitted]
    needs_values: bool = False


def _linear(scale: float, shift: float, interval: Interval) -> Fitted:
    ends = sorted((interval[0] * scale + shift, interval[1] * scale + shift))
    return Fitted(lambda v: (v * np.float32(scale) + np.float32(shift)).astype(np.float32), (ends[0], ends[1]))


def _clipped(low: float, high: float) -> Fitted:
    return Fitted(lambda v: np.clip(v, np.float32(low), np.float32(high)), (low, high))


def _check_window(table: CheckedTable, _channels: int) -> Mapping[str, Any]:
    center = table.number("centre" if table.has("centre") else "center")
    width = table.number("width")
    if width <= 0:
        table.refuse("width", "a width above 0")
    return {"center": center, "width": width}


def _fit_window(keys: Mapping[str, Any], _values: Values, _interval: Interval) -> Fitted:
    return _clipped(keys["center"] - keys["width"] / 2, keys["center"] + keys["width"] / 2)


def _check_scale(table: CheckedTable, _channels: int) -> Mapping[str, Any]:
    keys: dict[str, Any] = {"to": table.numbers("to", (0.0, 1.0), (2,))}
    if table.has("from"):
        keys["from"] = table.numbers("from", None, (2,))
        if keys["from"][0] == keys["from"][1]:
            table.refuse("from", "two different numbers")
    return keys


def _fit_scale(keys: Mapping[str, Any], _values: Values, interval: Interval) -> Fitted:
    low, high = keys.get("from", interval)
    start, stop = keys["to"]
    # An image of one value has no width to scale: it becomes the lower end.
    slope = (stop - start) / (high - low) if high != low else 0.0
    return _linear(slope, start - low * slope, interval)


def _check_normalize(table: CheckedTable, channels: int) -> Mapping[str, Any]:
    mean = table.numbers("mean", None, (1, channels))
    std = table.numbers("std", None, (1, channels))
    if any(value <= 0 for value in std):
        table.refuse("std", "standard deviations above 0")
    return {"mean": mean, "std": std}


def _fit_normalize(keys: Mapping[str, Any], _values: Values, interval: Interval) -> Fitted:
    mean, std = keys["mean"], keys["std"]
    if len(mean) == len(std) == 1:
        return _linear(1.0 / std[0], -mean[0] / std[0], interval)
    means = np.asarray(mean, dtype=np.float32).reshape(-1, 1, 1, 1)
    stds = np.asarray(std, dtype=np.float32).reshape(-1, 1, 1, 1)
    return Fitted(lambda v: ((v - means) / stds).astype(np.float32))


def _limit(table: CheckedTable, names: tuple[str, ...], default: float | None = None) -> float:
    return table.number(next((name for name in names if table.has(name)), names[0]), default)


def _check_clip(table: CheckedTable, _channels: int) -> Mapping[str, Any]:
    low, high = _limit(table, ("low", "min", "lower")), _limit(table, ("high", "max", "upper"))
    if low >= high:
        raise UserError(f"model.toml: {table.name} clips from {low:g} to {high:g}.", "Write low below high.")
    return {"low": low, "high": high}


def _fit_clip(keys: Mapping[str, Any], _values: Values, _interval: Interval) -> Fitted:
    return _clipped(keys["low"], keys["high"])


def _check_percentile(table: CheckedTable, _channels: int) -> Mapping[str, Any]:
    low = _limit(table, ("low", "min", "lower"), 1.0)
    high = _limit(table, ("high", "max", "upper"), 99.0)
    if not 0 <= low < high <= 100:
        message = f"model.toml: {table.name} asks for the percentiles {low:g} and {high:g}."
        raise UserError(message, "Write 0 <= low < high <= 100.")
    return {"low": low, "high": high, "of": table.choice("of", ("all", "nonzero"), "all")}


def _fit_percentile(keys: Mapping[str, Any], values: Values, _interval: Interval) -> Fitted:
    low, high = np.percentile(_chosen(values, keys["of"]), [keys["low"], keys["high"]])
    return _clipped(float(low), float(high))


def _check_zscore(table: CheckedTable, _channels: int) -> Mapping[str, Any]:
    return {"of": table.choice("of", ("all", "nonzero"), "all")}


def _fit_zscore(keys: Mapping[str, Any], values: Values, interval: Interval) -> Fitted:
    chosen = _chosen(values, keys["of"])
    mean, deviation = float(chosen.mean(dtype=np.float64)), float(chosen.std(dtype=np.float64))
    scale = 1.0 / deviation if deviation > 0 else 1.0  # an image of one value is only centred
    if keys["of"] == "all":
        return _linear(scale, -mean * scale, interval)

    def apply(v: Values) -> Values:
        # The background stays at zero, as in the pipelines that normalise nonzero voxels only.
        return np.where(v != 0, (v - np.float32(mean)) * np.float32(scale), np.float32(0)).astype(np.float32)

    ends = [(end - mean) * scale for end in interval]
    return Fitted(apply, (min(*ends, 0.0), max(*ends, 0.0)))


def _check_minmax(table: CheckedTable, _channels: int) -> Mapping[str, Any]:
    return {"to": table.numbers("to", (0.0, 1.0), (2,))}


def _fit_minmax(keys: Mapping[str, Any], values: Values, interval: Interval) -> Fitted:
    extremes = (float(values.min()), float(values.max()))
    fitted = _fit_scale({"to": keys["to"], "from": extremes}, values, interval)
    return fitted if extremes[0] != extremes[1] else _linear(0.0, keys["to"][0], interval)


def _chosen(values: Values, of: str) -> NDArray[np.float32]:
    """All values, or the nonzero ones (all when every value is zero)."""
    if of == "all":
        return values
    nonzero = values[values != 0]
    return nonzero if nonzero.size else values


STEPS: tuple[Step, ...] = (
    Step("window", _check_window, _fit_window),
    Step("scale", _check_scale, _fit_scale),
    Step("normalize", _check_normalize, _fit_normalize),
    Step("clip", _check_clip, _fit_clip),
    Step("percentile", _check_percentile, _fit_percentile, needs_values=True),
    Step("zscore", _check_zscore, _fit_zscore, needs_values=True),
    Step("minmax", _check_minmax, _fit_minmax, needs_values=True),
)


def _step(name: object) -> Step:
    for step in STEPS:
        if step.name == name:
            return step
    raise UserError(
        f"model.toml: there is no intensity step {name!r}.", near_match(str(name), [step.name for step in STEPS])
    )


def parse_steps(listed: object, channels: int) -> tuple[Mapping[str, Any], ...]:
    """Check ``[input] intensity`` and return it as written. Raises :class:`UserError`."""
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise UserError(
            "model.toml: input.intensity must be a list of tables.",
            'Write it like [ { step = "scale", from = [0, 255], to = [0, 1] } ].',
        )
    for number, entry in enumerate(listed, start=1):
        _checked(entry, number, channels)
    return tuple(listed)


def _checked(entry: Mapping[str, Any], number: int, channels: int) -> tuple[Step, Mapping[str, Any]]:
    table = CheckedTable(f"input.intensity step {number}", entry)
    step = _step(table.take("step"))
    keys = step.check(table, channels)
    table.finish()
    return step, keys


@dataclass(frozen=True)
class IntensityChain:
    """Fitted steps of one image."""

    steps: tuple[Pointwise, ...]

    def apply(self, values: Values) -> Values:
        """(channel, slice, row, column) float32 to the same, with as many channels as the steps tell apart."""
        for step in self.steps:
            values = step(values)
        return values

    def of_value(self, value: float) -> NDArray[np.float32]:
        """What a single modality value becomes, (channels,) float32, one entry when channels do not differ."""
        return self.apply(np.full((1, 1, 1, 1), value, dtype=np.float32)).reshape(-1)


def needs_whole_image(entries: tuple[Mapping[str, Any], ...]) -> bool:
    """Whether a step depends on the image's own values (its mean, its percentiles)."""
    return any(_step(entry["step"]).needs_values for entry in entries)


def fit_steps(
    entries: tuple[Mapping[str, Any], ...], channels: int, values: Values | None, interval: Interval
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
    """
    checked = [_checked(entry, number, channels) for number, entry in enumerate(entries, start=1)]
    last = max((k for k, (step, _) in enumerate(checked) if step.needs_values), default=-1)
    values = np.zeros((1, 1, 1, 1), np.float32) if values is None else values
    fitted: list[Pointwise] = []
    for position, (step, keys) in enumerate(checked):
        result = step.fit(keys, values, interval)
        fitted.append(result.apply)
        if position < last:  # values are carried along only as far as a later step wants to see them
            values = result.apply(values)
        if result.interval is not None:
            interval = result.interval
        elif position < last:
            interval = (float(values.min()), float(values.max()))
    return IntensityChain(tuple(fitted))
