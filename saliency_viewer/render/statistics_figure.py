"""The plots over a cohort: how strong the maps are, and what goes with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import (
    OUTSIDE_REGIONS,
    WHOLE_IMAGE,
    StatisticRow,
)
from saliency_viewer.render.chart import COLOURS, INK, QUIET, add_notice, chart_pixels, dress, say_instead
from saliency_viewer.runtime.seeds import generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STRENGTH = "mean |attribution|"
_FEWEST_FOR_BOX = 5
_MOST_UPRIGHT = 4  # group names that fit side by side below an axis


def statistics_figure(rows: Iterable[StatisticRow]) -> NDArray[np.uint8]:
    """Four plots over the rows of one case or many, on white, as (row, column, 3) uint8 RGB.

    Distributions of the attribution's size by method; size against the model's confidence; the methods beside
    each other (enrichment of each region, or without regions the positive share of the evidence); and size by
    true label, relative to each method's median. Every dot is a case. Plots without data say what they need.
    """
    from matplotlib.figure import Figure

    table = [row for row in rows if row.value is not None and np.isfinite(row.value)]
    methods = _unique(row.method for row in table)
    colours = _method_colours(methods)
    figure = Figure(figsize=(13, 9.6), dpi=110, facecolor="white")
    axes = figure.subplots(2, 2).ravel()
    strengths = [row for row in table if row.region == WHOLE_IMAGE and row.statistic == "mean_abs" and row.value]
    _plot_strength(axes[0], strengths, methods, colours)
    _plot_confidence(axes[1], strengths, methods, colours)
    _plot_methods(axes[2], table, methods, colours)
    _plot_labels(axes[3], strengths, methods, colours)
    _finish(figure, axes, len({row.subject for row in table}))
    return chart_pixels(figure)


def _method_colours(methods: Sequence[str]) -> dict[str, str]:
    """Colour-blind-safe ones as long as they suffice, then twenty that at least differ."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    many = [to_hex(colour) for colour in colormaps["tab20"](range(20))]
    palette = COLOURS if len(methods) <= len(COLOURS) else many
    return {method: palette[k % len(palette)] for k, method in enumerate(methods)}


def _plot_strength(
    axes: Axes, strengths: Sequence[StatisticRow], methods: Sequence[str], colours: Mapping[str, str]
) -> None:
    axes.set_title("Attribution magnitude by method")
    if not strengths:
        say_instead(axes, "no map with evidence")
        return
    groups = {method: {method: values} for method, values in _by_method(strengths, methods).items()}
    _grouped(axes, groups, colours)
    _logarithmic(axes, strengths)
    axes.set_ylabel(f"{_STRENGTH} (raw, per method)")


def _plot_confidence(
    axes: Axes, strengths: Sequence[StatisticRow], methods: Sequence[str], colours: Mapping[str, str]
) -> None:
    axes.set_title("Confidence and attribution strength")
    known = [row for row in strengths if row.probability is not None]
    if not known:
        say_instead(axes, "no probability is known")
        return
    for method in methods:
        points = [(row.probability, row.value) for row in known if row.method == method]
        if points:
            x, y = np.array(points, dtype=float).T
            axes.scatter(x, y, s=26, color=colours[method], alpha=0.8, linewidths=0, label=method)
    _logarithmic(axes, strengths)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("probability of the predicted class")
    axes.set_ylabel(f"{_STRENGTH} (raw)")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=1 + (len(methods) > 8))


def _plot_methods(
    axes: Axes, table: Sequence[StatisticRow], methods: Sequence[str], colours: Mapping[str, str]
) -> None:
    drawn = [row for row in table if row.region not in (WHOLE_IMAGE, OUTSIDE_REGIONS) and row.statistic == "enrichment"]
    if drawn:
        axes.set_title("Comparison of methods: enrichment")
        regions = {
            region: [row for row in drawn if row.region == region] for region in _unique(r.region for r in drawn)
        }
        _grouped(axes, {name: _by_method(rows, methods) for name, rows in regions.items()}, colours)
        axes.axhline(1.0, color=QUIET, linewidth=1, linestyle="--")
        axes.set_ylabel("share of evidence / share of area\n(1 = chance)")
        return
    axes.set_title("Comparison of methods: evidence for the target")
    shares = _positive_shares(table)
    if not shares:
        say_instead(axes, "no map with evidence")
        return
    _grouped(axes, {method: {method: shares.get(method, [])} for method in methods}, colours)
    axes.axhline(0.5, color=QUIET, linewidth=1, linestyle="--")
    axes.set_ylabel("positive part / all evidence")
    axes.set_ylim(-0.03, 1.03)


def _positive_shares(table: Sequence[StatisticRow]) -> dict[str, list[float]]:
    """By method, for each case the positive sum over the sum of sizes."""
    sums: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for row in table:
        if row.region == WHOLE_IMAGE and row.statistic in ("positive_sum", "negative_sum") and row.value is not None:
            sums[row.method, row.subject, row.session][row.statistic] = row.value
    shares: dict[str, list[float]] = defaultdict(list)
    for (method, _, _), parts in sums.items():
        positive, negative = parts.get("positive_sum", 0.0), parts.get("negative_sum", 0.0)
        if positive - negative > 0:
            shares[method].append(positive / (positive - negative))
    return dict(shares)


def _plot_labels(
    axes: Axes, strengths: Sequence[StatisticRow], methods: Sequence[str], colours: Mapping[str, str]
) -> None:
    axes.set_title("Attribution strength by true label")
    labels = sorted({row.label for row in strengths if row.label})
    if not labels:
        say_instead(axes, "no true labels are known")
        return
    typical = {method: np.median(values) for method, values in _by_method(strengths, methods).items() if values}
    groups = {}
    for label in labels:
        of_label = _by_method([row for row in strengths if row.label == label], methods)
        groups[label] = {method: [v / typical[method] for v in values] for method, values in of_label.items()}
    _grouped(axes, groups, colours)
    axes.axhline(1.0, color=QUIET, linewidth=1, linestyle="--")
    axes.set_ylabel(f"{_STRENGTH}\n(1 = median of the method)")


def _values(rows: Iterable[StatisticRow]) -> list[float]:
    return [row.value for row in rows if row.value is not None]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _by_method(rows: Sequence[StatisticRow], methods: Sequence[str]) -> dict[str, list[float]]:
    return {method: _values(row for row in rows if row.method == method) for method in methods}


def _grouped(axes: Axes, groups: Mapping[str, Mapping[str, Sequence[float]]], colours: Mapping[str, str]) -> None:
    """For each group, named below the axis, a column of dots for each method in the method's colour."""
    for position, columns in enumerate(groups.values()):
        width = 0.8 / max(len(columns), 1)
        for number, (method, values) in enumerate(columns.items()):
            centre = position + (number - (len(columns) - 1) / 2) * width
            _column(axes, centre, min(width, 0.5), values, colours[method])
    crowded = len(groups) > _MOST_UPRIGHT
    axes.set_xticks(
        range(len(groups)), list(groups), rotation=35 if crowded else 0, ha="right" if crowded else "center", fontsize=8
    )
    axes.set_xlim(-0.6, len(groups) - 0.4)


def _column(axes: Axes, centre: float, width: float, values: Sequence[float], colour: str) -> None:
    """Dots, with a box behind them where there are enough for one."""
    if len(values) >= _FEWEST_FOR_BOX:
        box = axes.boxplot([values], positions=[centre], widths=width * 0.85, showfliers=False, patch_artist=True)
        box["boxes"][0].set(facecolor=colour, alpha=0.18, edgecolor=colour)
        for part in (*box["medians"], *box["whiskers"], *box["caps"]):
            part.set(color=colour, linewidth=1.5)
    # Spread by a fixed pattern, so that equal rows give equal pixels.
    spread = generator(0, "column", len(values)).uniform(-0.3, 0.3, len(values)) * width if len(values) > 1 else 0.0
    axes.scatter(centre + np.zeros(len(values)) + spread, values, s=20, color=colour, alpha=0.8, linewidths=0, zorder=3)


def _logarithmic(axes: Axes, rows: Sequence[StatisticRow]) -> None:
    """A logarithmic axis over whole decades, so that a single case has readable ticks too."""
    exponents = np.log10(_values(rows))
    axes.set_yscale("log")
    low, high = np.floor(exponents.min()), np.ceil(exponents.max())
    axes.set_ylim(10.0**low, 10.0 ** max(high, low + 1))


def _finish(figure: Figure, axes: Iterable[Axes], cases: int) -> None:
    dress(axes)
    title = f"Attribution summary · {cases} {'case' if cases == 1 else 'cases'}"
    figure.suptitle(title, fontsize=15, color=INK)
    add_notice(figure)
    figure.tight_layout(rect=(0.01, 0.03, 0.99, 0.97), h_pad=2.5, w_pad=2.5)
