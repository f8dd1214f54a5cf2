"""What all plots on white have in common: colours, axes, the notice, and how a figure becomes pixels."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import REGION_COLOURS, RESEARCH_NOTICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1C2430"
QUIET = "#5B6675"
# The bright yellow of the palette cannot be read on white.
COLOURS = tuple(colour for colour in REGION_COLOURS if colour != "#F0E442")
_NOTICE = "#8A6100"
_GRID = "#E3E7EC"


def chart_pixels(figure: Figure) -> NDArray[np.uint8]:
    """A matplotlib figure as (row, column, 3) uint8 RGB."""
    stream = io.BytesIO()
    figure.savefig(stream, format="rgba")
    width, height = figure.canvas.get_width_height()
    pixels = np.frombuffer(stream.getvalue(), dtype=np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(pixels[..., :3])


def dress(axes: Iterable[Axes], grid: Literal["y", "both"] | None = "y") -> None:
    """Titles, spines, ticks and a quiet grid, alike on every plot."""
    for one in axes:
        one.title.set(fontsize=12, fontweight="bold", color=INK)
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(QUIET)
        one.tick_params(colors=INK)
        one.xaxis.label.set(color=INK, fontsize=9)
        one.yaxis.label.set(color=INK, fontsize=9)
        if grid is not None:
            one.grid(axis=grid, color=_GRID, linewidth=0.8)
        one.set_axisbelow(True)


def add_notice(figure: Figure) -> None:
    """The research-use notice at the bottom."""
    figure.text(0.5, 0.012, RESEARCH_NOTICE, ha="center", fontsize=8.5, color=_NOTICE)


def say_instead(axes: Axes, words: str) -> None:
    """Words in the place of a plot that has no data."""
    axes.text(0.5, 0.5, words, ha="center", va="center", color=QUIET, transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])
