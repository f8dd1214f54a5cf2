"""The plots of a training's report, each as (row, column, 3) uint8 RGB pixels on white."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import EpochFigures
from saliency_viewer.render.chart import COLOURS, INK, QUIET, add_notice, chart_pixels, dress
from saliency_viewer.training.judgement import Verdict
from saliency_viewer.training.metrics import Roc, roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pixels = NDArray[np.uint8]
_SIDE = (6.2, 5.6)
_MOST_NAMED = 10  # classes in a legend; the page's table has them all
_MOST_POINTS = 4000  # a curve has no more corners than pixels can show


def roc_figure(verdict: Verdict, threshold: float | None) -> Pixels:
    """One curve for each class (of two classes the second's), with areas and intervals; a dot at the threshold."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--")
        for place, (k, area, interval) in enumerate(zip(verdict.scored, verdict.areas, verdict.intervals, strict=True)):
            positive = verdict.labels == k
            curve = roc(verdict.probabilities[:, k], positive)
            words = f"{verdict.classes[k]}: AUC {_area(area, interval)}"
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(*_thinned(curve), color=colour, linewidth=2, label=words)
            if threshold is not None:
                point = (1 - verdict.specificity(k), verdict.sensitivity(k))
                axes.plot(*point, "o", color=INK, markersize=7, clip_on=False, label=f"threshold {threshold:.3f}")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="1 - specificity", ylabel="sensitivity")
        if len(verdict.scored) <= _MOST_NAMED:
            axes.legend(frameon=False, fontsize=9, loc="lower right")

    return _figure("ROC", draw)


def calibration_figure(verdict: Verdict) -> Pixels:
    """Observed share against predicted probability, in bins of equal width; dots grow with the cases in them."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--")
        for place, k in enumerate(verdict.scored):
            found = verdict.reliability(k)
            colour = COLOURS[place % len(COLOURS)]
            axes.plot(found.predicted, found.observed, color=colour, linewidth=1.5, label=verdict.classes[k])
            sizes = 20 + 180 * found.cases / found.cases.max()
            axes.scatter(found.predicted, found.observed, s=sizes, color=colour, alpha=0.6, linewidths=0)
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="predicted probability", ylabel="observed share")
        if len(verdict.scored) <= _MOST_NAMED:
            axes.legend(frameon=False, fontsize=9, loc="upper left")

    return _figure(f"Calibration: error {verdict.calibration_error:.3f}, Brier score {verdict.brier:.3f}", draw)


def confusion_figure(verdict: Verdict) -> Pixels:
    """Counts of true against predicted classes; the colour is the share of the true class."""

    def draw(axes: Axes) -> None:
        counts = verdict.matrix
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            colour = "white" if shares[row, column] > 0.5 else INK
            words = f"{counts[row, column]}\n{shares[row, column]:.0%}"
            axes.text(column, row, words, ha="center", va="center", color=colour)
        crowded = len(verdict.classes) > 4
        places = range(len(verdict.classes))
        axes.set_xticks(places, verdict.classes, rotation=35 if crowded else 0, ha="right" if crowded else "center")
        axes.set_yticks(places, verdict.classes)
        axes.set(xlabel="predicted", ylabel="true")

    return _figure("Confusion", draw, grid=False)


def curves_figure(history: Sequence[EpochFigures]) -> Pixels:
    """Losses and the area under the ROC curve, epoch by epoch; the line marks the epoch that was kept."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 4.6), dpi=110, facecolor="white")
    left, right = figure.subplots(1, 2)
    epochs = [one.epoch for one in history]
    left.plot(epochs, [one.training_loss for one in history], color=COLOURS[0], marker="o", markersize=3)
    left.plot(epochs, [one.validation_loss for one in history], color=COLOURS[1], marker="o", markersize=3)
    left.legend(["training", "validation"], frameon=False, fontsize=9)
    left.set(title="Loss", xlabel="epoch", ylim=(0, None))
    right.plot(epochs, [one.validation_auc for one in history], color=COLOURS[1], marker="o", markersize=3)
    right.set(title="AUC of the validation cases", xlabel="epoch", ylim=(None, 1.005))
    kept = max((one.epoch for one in history if one.best), default=None)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if kept is not None:
            axes.axvline(kept, color=QUIET, linewidth=1, linestyle="--")
    dress((left, right))
    add_notice(figure)
    figure.tight_layout(rect=(0.01, 0.04, 0.99, 0.99), w_pad=3)
    return chart_pixels(figure)


def _figure(title: str, draw: Callable[[Axes], None], grid: bool = True) -> Pixels:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIDE, dpi=110, facecolor="white")
    axes = figure.subplots()
    draw(axes)
    axes.set_title(title)
    dress((axes,), "both" if grid else None)
    add_notice(figure)
    figure.tight_layout(rect=(0.01, 0.04, 0.99, 0.99))
    return chart_pixels(figure)


def _thinned(curve: Roc) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    step = max(1, len(curve.false_positives) // _MOST_POINTS)
    keep = np.r_[np.arange(0, len(curve.false_positives) - 1, step), len(curve.false_positives) - 1]
    return curve.false_positives[keep], curve.true_positives[keep]


def _area(area: float, interval: tuple[float, float]) -> str:
    if not math.isfinite(area):
        return "undefined"
    return f"{area:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if math.isfinite(interval[0]) else "")
