"""What the comparison page shows: models, their answers, how far these agree. Says facts, decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

from PySide6.QtCore import QObject, Signal

from saliency_viewer.domain import AnalysisPlan, AnalysisResult, AttributionMap, Comparison, ModelCard
from saliency_viewer.gui.facts import Compute
from saliency_viewer.models import OwnCode
from saliency_viewer.pipeline import free_name
from saliency_viewer.render import Scale

Stage = Literal["new", "waiting", "running", "done", "failed"]
# Told apart from the regions' colours, which are drawn in the same pictures.
COLOURS = ("#F7F056", "#6FE3B4", "#FF8F6B", "#B9A2FF", "#FFFFFF", "#8FC7FF", "#FF9BD2", "#C8D96F")


@dataclass(eq=False)
class Entry:
    """One model of the comparison, and what it said; ``current``: it is the one chosen in the window."""

    path: str
    card: ModelCard
    code: OwnCode | None = None
    current: bool = False
    name: str = ""
    colour: str = COLOURS[0]
    stage: Stage = "new"
    plan: AnalysisPlan | None = None
    result: AnalysisResult | None = None
    failure: str = ""

    @property
    def package(self) -> str:
        """Name of its folder or zip, which tells two checkpoints of one card apart; for the screen only."""
        return PurePath(self.path).name

    def reset(self, plan: AnalysisPlan | None = None) -> None:
        """Forget its answer; with a plan it waits for another one."""
        self.plan, self.result, self.failure = plan, None, ""
        self.stage = "new" if plan is None else "waiting"

    def map_of(self, method: str) -> AttributionMap | None:
        """Its map by ``method``."""
        maps = self.result.maps if self.result is not None else ()
        return next((one for one in maps if one.method == method), None)

    def why_no_map(self, method: str) -> str:
        """Why it has no map by ``method``; empty while it was not asked."""
        if self.failure or self.result is None:
            return self.failure
        return next((one.message for one in self.result.failures if one.method == method), "")


@dataclass(frozen=True)
class Look:
    """How the comparison is looked at. ``level`` is the contours' share of each map's peak."""

    scale: Scale = "method"
    contours: bool = True
    level: float = 0.5
    image: bool = True
    disagreement: bool = True


class ComparingState(QObject):
    """The comparison of the shown case; nothing of it is kept when another image is shown."""

    shown_changed = Signal()
    entries_changed = Signal()  # models, their answers, the methods
    agreement_changed = Signal()
    look_changed = Signal()
    compute_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.shown = False
        self.entries: list[Entry] = []
        self.methods: tuple[str, ...] = ()  # of the last run
        self.comparison: Comparison | None = None
        self.look = Look()
        self.compute = Compute()

    def set_shown(self, shown: bool) -> None:
        """Whether the page stands in the middle of the window."""
        if shown != self.shown:
            self.shown = shown
            self.shown_changed.emit()

    def set_entries(self, entries: list[Entry]) -> None:
        """Other models: each gets a name and a colour of its own; one that has them keeps them."""
        taken: list[str] = []
        for entry in entries:
            entry.name = entry.name if entry.name and entry.name not in taken else free_name(entry.card.name, taken)
            taken.append(entry.name)
        colours: list[str] = []
        for entry in entries:
            free = [one for one in COLOURS if one not in colours] or list(COLOURS)
            known = entry in self.entries and entry.colour not in colours
            entry.colour = entry.colour if known else free[0]
            colours.append(entry.colour)
        self.entries = entries
        self.entries_changed.emit()

    def set_methods(self, methods: tuple[str, ...]) -> None:
        """The columns."""
        self.methods = methods
        self.entries_changed.emit()

    def touch(self) -> None:
        """A model has said something, or has failed."""
        self.entries_changed.emit()

    def set_comparison(self, comparison: Comparison | None) -> None:
        """How far the answers agree; None while it is not known."""
        if comparison is not self.comparison:
            self.comparison = comparison
            self.agreement_changed.emit()

    def change_look(self, **changes: Any) -> None:
        """Change some of :class:`Look`."""
        look = replace(self.look, **changes)
        if look != self.look:
            self.look = look
            self.look_changed.emit()

    def set_compute(self, compute: Compute) -> None:
        """What is being computed, and how far it is."""
        self.compute = compute
        self.compute_changed.emit()
