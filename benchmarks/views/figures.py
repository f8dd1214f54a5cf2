"""The tutorial's figures. Those that show radiographs carry their credit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import saliency_viewer as sv
from benchmarks.views.evidence import METHODS, PLACES, explained
from benchmarks.views.page import METHOD_NAMES
from benchmarks.views.pictures import CREDIT, VIEWS, Picture
from saliency_viewer.domain import REGION_COLOURS
from saliency_viewer.render import outlines, overlay, style_for

_AP, _PA, _GREY = "#D55E00", "#0072B2", "#8590A0"
_EXAMPLES = 2  # of each view
_CLIP = 99.5  # percentile of a map's size that takes the end of the colours


def write_figures(
    numbers: dict[str, Any],
    own: Sequence[Picture],
    others: Sequence[Picture],
    fold_of: Mapping[str, int],
    packages: Mapping[tuple[int, int], Path],
    folder: Path,
) -> None:
    """Write all of them into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        _save(_greys(own, others), folder / "views-greys.png")
        _save(_changes(numbers), folder / "views-changes.png")
        _save(_shares(numbers), folder / "views-shares.png")
        _save(_maps(own, fold_of, packages), folder / "views-maps.webp")


def _greys(own: Sequence[Picture], others: Sequence[Picture]) -> Figure:
    """The mean grey of every file: one number that gives the view away."""
    figure = Figure(figsize=(7, 2.2), layout="constrained")
    axes = figure.add_subplot()
    rows = (
        ("AP supine", _AP, [one for one in own if one.view == 1]),
        ("PA", _PA, [one for one in own if one.view == 0]),
        ("PA, from articles", _GREY, others),
    )
    for height, (_, colour, pictures) in enumerate(rows):
        means = [float(one.grey.mean()) for one in pictures]
        axes.plot(means, height + 0.12 * (np.arange(len(means)) % 3 - 1), "o", color=colour, alpha=0.7, ms=5)
    axes.set_yticks(range(3), [name for name, _, _ in rows])
    axes.set_ylim(2.5, -0.5)
    axes.set_xlabel("mean grey level of the file (0 black, 255 white)")
    return figure


def _changes(numbers: dict[str, Any]) -> Figure:
    """What each change does to the probability of the true view."""
    rows = numbers["changes"][1:]
    figure = Figure(figsize=(7, 0.32 * len(rows) + 0.9), layout="constrained")
    axes = figure.add_subplot()
    for height, one in enumerate(rows):
        _interval(axes, one["true_view"], height, _PA)
        axes.annotate(f"AUC {one['auc']['value']:.2f}", (1.01, height), xycoords=("axes fraction", "data"), va="center")
    axes.axvline(0, color=_GREY, lw=1, ls="--")
    axes.set_yticks(range(len(rows)), [one["change"] for one in rows])
    axes.invert_yaxis()
    axes.set_xlabel("change of the true view's probability, mean over patients with 95 % interval")
    return figure


def _shares(numbers: dict[str, Any]) -> Figure:
    """Where the evidence lies, beside chance and beside networks that have learnt nothing."""
    figure = Figure(figsize=(8.5, 2.7), layout="constrained")
    for axes, method in zip(figure.subplots(1, len(METHODS), sharey=True), METHODS, strict=True):
        rows = {one["place"]: one for one in numbers["shares"] if one["method"] == method}
        for height, place in enumerate(PLACES):
            _interval(axes, rows[place]["trained"], height - 0.12, _PA, "trained")
            _interval(axes, rows[place]["untrained"], height + 0.12, _AP, "untrained")
            chance = rows[place]["area"]["value"]
            axes.plot([chance] * 2, [height - 0.3, height + 0.3], color=_GREY, lw=2, label="share of the area")
        axes.set_title(METHOD_NAMES[method], fontsize=10)
        axes.set_yticks(range(len(PLACES)), PLACES)
        axes.set_ylim(len(PLACES) - 0.5, -0.5)
        axes.set_xlim(0, None)
        axes.set_xlabel("share of positive evidence")
    handles, names = axes.get_legend_handles_labels()
    kept = dict(zip(names, handles, strict=True))
    figure.legend(kept.values(), kept.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _maps(own: Sequence[Picture], fold_of: Mapping[str, int], packages: Mapping[tuple[int, int], Path]) -> Figure:
    """Pictures with their places, and what networks that had not seen them made of them."""
    with_marks = [one for one in own if one.marks.any()]
    chosen = [one for view in (1, 0) for one in [p for p in with_marks if p.view == view][:_EXAMPLES]]
    figure = Figure(figsize=(8.4, 2.25 * len(chosen) + 0.6), layout="constrained")
    for row, one in zip(figure.subplots(len(chosen), 1 + len(METHODS), squeeze=False), chosen, strict=True):
        model = sv.load_model(packages[(0, fold_of[one.file])])
        said = model.predict(one.volume)
        _show(row[0], np.repeat(one.grey.astype(np.uint8)[..., None], 3, axis=2), one)
        row[0].set_ylabel(f"{VIEWS[one.view]}\nP = {said.probabilities[said.classes.index(VIEWS[one.view])]:.2f}")
        for axes, method in zip(row[1:], METHODS, strict=True):
            amap = explained(model, one, method)
            size = float(np.percentile(np.abs(amap.array), _CLIP))
            style = style_for(amap, signed=True)
            style = type(style)(style.colours, -size, size, 0.55)
            _show(axes, overlay(one.grey.astype(np.uint8), amap.array[0], style), one)
            if one is chosen[0]:
                axes.set_title(METHOD_NAMES[method], fontsize=10)
    figure.supxlabel(CREDIT, fontsize=7)
    return figure


def _show(axes: Axes, pixels: np.ndarray, one: Picture) -> None:
    axes.imshow(pixels)
    for colour, region in zip(REGION_COLOURS, one.regions.regions, strict=False):
        if region.name == "border":
            continue
        for line in outlines(region.mask(one.volume.geometry.shape)[0]):
            axes.plot(line[:, 1], line[:, 0], color=colour, lw=0.8)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _interval(axes: Axes, one: dict[str, float], height: float, colour: str, name: str = "") -> None:
    axes.plot([one["low"], one["high"]], [height] * 2, color=colour, lw=2)
    axes.plot([one["value"]], [height], "o", color=colour, ms=5, label=name)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 85} if path.suffix == ".webp" else {})
