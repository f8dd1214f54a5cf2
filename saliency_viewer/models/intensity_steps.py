"""The kinds of intensity steps: how the keys of each are checked, and how it is fitted to an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.models import equalising
from saliency_viewer.models.checked_table import CheckedTable
from saliency_viewer.models.foreground import check_selection, is_chosen, threshold

Values = NDArray[np.float32]  # (channel, slice, row, column); one channel until a step tells them apart
Pointwise = Callable[[Values], Values]
Interval = tuple[float, float]
Keys = Mapping[str, Any]


@dataclass(frozen=True)
class Fitted:
    """A step that knows its image: a function of values, and the interval that they then lie in.

    ``of_single`` is what values without a place become, where ``apply`` depends on the place; None: ``apply`` itself.
    """

    apply: Pointwise
    interval: Interval
    of_single: Pointwise | None = None


@dataclass(frozen=True)
class Step:
    """A kind of step.

    ``fit(keys, values, interval)`` gets the checked keys, all values of the image (or of one slice) before this step
    and the interval they are known to lie in. ``needs_values`` says that the values themselves are looked at;
    ``by_slice`` that each slice is always looked at alone.
    """

    name: str
    check: Callable[[CheckedTable, int], Keys]
    fit: Callable[[Keys, Values, Interval], Fitted]
    needs_values: bool = False
    by_slice: bool = False


def _linear(scale: float, shift: float, interval: Interval) -> Fitted:
    ends = sorted((interval[0] * scale + shift, interval[1] * scale + shift))
    return Fitted(lambda v: (v * np.float32(scale) + np.float32(shift)).astype(np.float32), (ends[0], ends[1]))


def _clipped(low: float, high: float) -> Fitted:
    return Fitted(lambda v: np.clip(v, np.float32(low), np.float32(high)), (low, high))


def _check_window(table: CheckedTable, _channels: int) -> Keys:
    center = table.number("centre" if table.has("centre") else "center")
    width = table.number("width")
    if width <= 0:
        table.refuse("width", "a width above 0")
    return {"center": center, "width": width}


def _fit_window(keys: Keys, _values: Values, _interval: Interval) -> Fitted:
    return _clipped(keys["center"] - keys["width"] / 2, keys["center"] + keys["width"] / 2)


def _check_scale(table: CheckedTable, _channels: int) -> Keys:
    keys: dict[str, Any] = {"to": table.numbers("to", (0.0, 1.0), (2,))}
    if table.has("from"):
        keys["from"] = table.numbers("from", None, (2,))
        if keys["from"][0] == keys["from"][1]:
            table.refuse("from", "two different numbers")
    return keys


def _fit_scale(keys: Keys, _values: Values, interval: Interval) -> Fitted:
    low, high = keys.get("from", interval)
    start, stop = keys["to"]
    # An image of one value has no width to scale: it becomes the lower end.
    slope = (stop - start) / (high - low) if high != low else 0.0
    return _linear(slope, start - low * slope, interval)


def _check_normalize(table: CheckedTable, channels: int) -> Keys:
    mean = table.numbers("mean", None, (1, channels))
    std = table.numbers("std", None, (1, channels))
    if any(value <= 0 for value in std):
        table.refuse("std", "standard deviations above 0")
    return {"mean": mean, "std": std}


def _fit_normalize(keys: Keys, _values: Values, interval: Interval) -> Fitted:
    mean, std = keys["mean"], keys["std"]
    if len(mean) == len(std) == 1:
        return _linear(1.0 / std[0], -mean[0] / std[0], interval)
    means = np.asarray(mean, dtype=np.float32).reshape(-1, 1, 1, 1)
    stds = np.asarray(std, dtype=np.float32).reshape(-1, 1, 1, 1)
    ends = (np.asarray(interval) - means) / stds
    return Fitted(lambda v: ((v - means) / stds).astype(np.float32), (float(ends.min()), float(ends.max())))


def _limit(table: CheckedTable, names: tuple[str, ...], default: float | None = None) -> float:
    return table.number(next((name for name in names if table.has(name)), names[0]), default)


def _check_clip(table: CheckedTable, _channels: int) -> Keys:
    low, high = _limit(table, ("low", "min", "lower")), _limit(table, ("high", "max", "upper"))
    if low >= high:
        raise UserError(f"model.toml: {table.name} clips from {low:g} to {high:g}.", "Write low below high.")
    return {"low": low, "high": high}


def _fit_clip(keys: Keys, _values: Values, _interval: Interval) -> Fitted:
    return _clipped(keys["low"], keys["high"])


def _check_percentile(table: CheckedTable, _channels: int) -> Keys:
    low = _limit(table, ("low", "min", "lower"), 1.0)
    high = _limit(table, ("high", "max", "upper"), 99.0)
    if not 0 <= low < high <= 100:
        message = f"model.toml: {table.name} asks for the percentiles {low:g} and {high:g}."
        raise UserError(message, "Write 0 <= low < high <= 100.")
    return {"low": low, "high": high, **check_selection(table)}


def _fit_percentile(keys: Keys, values: Values, _interval: Interval) -> Fitted:
    low, high = np.percentile(_chosen(values, keys), [keys["low"], keys["high"]])
    return _clipped(float(low), float(high))


def _check_zscore(table: CheckedTable, _channels: int) -> Keys:
    keys = check_selection(table)
    # MONAI's and torchio's ways: nonzero voxels alone are changed; by any other mask, what lies outside is changed too.
    usual = "zero" if keys["of"] == "nonzero" else "same"
    return {**keys, "outside": table.choice("outside", ("zero", "same"), usual)}


def _fit_zscore(keys: Keys, values: Values, interval: Interval) -> Fitted:
    chosen = _chosen(values, keys)
    mean, deviation = float(chosen.mean(dtype=np.float64)), float(chosen.std(dtype=np.float64))
    scale = 1.0 / deviation if deviation > 0 else 1.0  # an image of one value is only centred
    same = _linear(scale, -mean * scale, interval)
    if keys["of"] == "all" or keys["outside"] == "same":
        return same
    limit = threshold(values, keys)

    def apply(v: Values) -> Values:
        inside = (v - np.float32(mean)) * np.float32(scale)
        return np.where(is_chosen(v, keys["of"], limit), inside, np.float32(0)).astype(np.float32)

    return Fitted(apply, (min(same.interval[0], 0.0), max(same.interval[1], 0.0)))


def _check_minmax(table: CheckedTable, _channels: int) -> Keys:
    return {"to": table.numbers("to", (0.0, 1.0), (2,)), **check_selection(table)}


def _fit_minmax(keys: Keys, values: Values, interval: Interval) -> Fitted:
    chosen = _chosen(values, keys)
    extremes = (float(chosen.min()), float(chosen.max()))
    if extremes[0] == extremes[1]:
        return _linear(0.0, keys["to"][0], interval)
    return _fit_scale({"to": keys["to"], "from": extremes}, values, extremes if keys["of"] == "all" else interval)


def _check_gamma(table: CheckedTable, _channels: int) -> Keys:
    gamma = table.number("gamma")
    if gamma <= 0:
        table.refuse("gamma", "a number above 0")
    return {"gamma": gamma}


def _fit_gamma(keys: Keys, _values: Values, interval: Interval) -> Fitted:
    low, width = interval[0], (interval[1] - interval[0]) or 1.0

    def apply(v: Values) -> Values:
        share = np.clip((v - np.float32(low)) / np.float32(width), 0, 1)
        return np.asarray(low + width * share ** keys["gamma"], dtype=np.float32)

    return Fitted(apply, interval)


def _check_nothing(_table: CheckedTable, _channels: int) -> Keys:
    return {}


def _fit_invert(_keys: Keys, _values: Values, interval: Interval) -> Fitted:
    return _linear(-1.0, interval[0] + interval[1], interval)


def _check_equalize(table: CheckedTable, _channels: int) -> Keys:
    return {"bins": table.whole("bins", 256, 2)}


def _fit_equalize(keys: Keys, values: Values, interval: Interval) -> Fitted:
    return Fitted(equalising.equalised(values, interval, keys["bins"]), interval)


def _check_clahe(table: CheckedTable, _channels: int) -> Keys:
    clip = table.number("clip", 2.0)
    if clip < 0:
        table.refuse("clip", "a number from 0 up (0: no limit)")
    tiles = table.wholes("tiles", 2) if table.has("tiles") else (8, 8)
    return {"clip": clip, "tiles": tiles, **_check_equalize(table, _channels)}


def _fit_clahe(keys: Keys, values: Values, interval: Interval) -> Fitted:
    apply = equalising.equalised_by_tiles(values, interval, keys["bins"], keys["tiles"], keys["clip"])
    # Contrast around a value depends on its place, but the ends of the interval stay its ends.
    return Fitted(apply, interval, of_single=lambda v: v)


def _chosen(values: Values, keys: Keys) -> NDArray[np.float32]:
    """The values that count; all of them when none does."""
    if keys["of"] == "all":
        return values
    chosen = values[is_chosen(values, keys["of"], threshold(values, keys))]
    return chosen if chosen.size else values


STEPS: tuple[Step, ...] = (
    Step("window", _check_window, _fit_window),
    Step("scale", _check_scale, _fit_scale),
    Step("normalize", _check_normalize, _fit_normalize),
    Step("clip", _check_clip, _fit_clip),
    Step("percentile", _check_percentile, _fit_percentile, needs_values=True),
    Step("zscore", _check_zscore, _fit_zscore, needs_values=True),
    Step("minmax", _check_minmax, _fit_minmax, needs_values=True),
    Step("gamma", _check_gamma, _fit_gamma),
    Step("invert", _check_nothing, _fit_invert),
    Step("equalize", _check_equalize, _fit_equalize, needs_values=True),
    Step("clahe", _check_clahe, _fit_clahe, needs_values=True, by_slice=True),
)
