"""What the state is made of: cases, how they are looked at, and what goes on beside."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import (
    AnalysisPlan,
    AnalysisResult,
    Grid,
    ImageReference,
    RegionSet,
    Series,
    StatisticRow,
    Volume,
    Window,
)
from saliency_viewer.regions import RegionEditor

GRID_NAMES: dict[Grid, str] = {"stored": "As stored", "regular": "True grid"}


@dataclass(frozen=True)
class View:
    """How the image is looked at. ``index`` is (slice, row, column); ``radius`` mm; ``fade`` and ``threshold`` 0..1."""

    tool: str = "window"
    fade: float = 0.5
    threshold: float = 0.0
    radius: float = 5.0
    index: tuple[int, int, int] = (0, 0, 0)
    axis: int = 0
    window: Window | None = None
    map_shown: bool = True
    graphics: bool = True
    playing: bool = False
    single: bool = False
    region: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Compute:
    """What the compute process does for the window; ``job`` None when it rests."""

    job: int | None = None
    fraction: float = 0.0
    text: str = ""
    seconds_left: float | None = None
    stopping: bool = False


@dataclass(frozen=True)
class Loading:
    """What is being read or written, in words; ``fraction`` 0..1, None when unknown."""

    text: str = ""
    fraction: float | None = None
    can_stop: bool = False


@dataclass(frozen=True, eq=False)
class Preview:
    """An image to look at while what was asked for is still being read."""

    volume: Volume | None
    title: str
    subtitle: str


@dataclass(eq=False)
class Case:
    """One series of one study, and what was done with it.

    ``edits`` counts the changes of its regions and maps, and ``saved`` says after how many its session file ``path``
    was written. ``recovery`` is the autosave that it came back from, until a newer one takes over,
    ``mask`` a file of regions to lay on it as soon as it is read.
    """

    reference: ImageReference
    series: Series | None
    name: str
    volume: Volume | None = None
    image_hash: str = ""
    thumbnail: NDArray[np.uint8] | None = None
    editor: RegionEditor | None = None
    plan: AnalysisPlan | None = None
    result: AnalysisResult | None = None
    rows: tuple[StatisticRow, ...] = ()
    view: View = field(default_factory=View)
    edits: int = 0
    saved: int = 0
    path: Path | None = field(default=None, repr=False)
    recovery: Path | None = field(default=None, repr=False)
    mask: str = field(default="", repr=False)

    @property
    def modified(self) -> bool:
        """Whether something was done with it that its session file does not hold."""
        return self.edits != self.saved

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The grids that its series can be shown on, the usual one first."""
        return self.series.grids if self.series is not None else ("stored",)

    @property
    def grid(self) -> Grid:
        """The grid it is shown on."""
        return self.reference.grid or self.grids[0]

    @property
    def title(self) -> str:
        """Its name, with the grid where that is not the usual one."""
        return self.name if self.grid == self.grids[0] else f"{self.name} · {GRID_NAMES[self.grid].lower()}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything unusual about its files, those of its regions too, each sentence once."""
        series = self.series.warnings if self.series is not None else ()
        image = self.volume.warnings if self.volume is not None else series
        return tuple(dict.fromkeys((*image, *(self.regions.warnings if self.regions is not None else ()))))

    @property
    def regions(self) -> RegionSet | None:
        """The regions as drawn so far."""
        return self.editor.regions if self.editor is not None else None
