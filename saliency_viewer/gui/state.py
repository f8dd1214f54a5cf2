"""The open document: cases, model, maps, regions and how they are looked at. Says facts, decides nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from saliency_viewer.domain import (
    AnalysisPlan,
    AnalysisResult,
    AttributionMap,
    ModelCard,
    RegionSet,
    StatisticRow,
    Unreadable,
    Volume,
)
from saliency_viewer.errors import UserError
from saliency_viewer.gui.facts import Case, Compute, Loading, Preview, View
from saliency_viewer.models import LayerNode, OwnCode


class DocumentState(QObject):
    """Everything the window shows. Controllers change it through methods; widgets listen to its signals."""

    cases_changed = Signal()
    volume_changed = Signal()  # another image is shown
    model_changed = Signal()
    layers_changed = Signal()  # the model's modules are known
    result_changed = Signal()
    map_changed = Signal()  # which map, and how it is coloured
    regions_changed = Signal()
    rows_changed = Signal()
    view_changed = Signal()  # tool, place, window, layout
    compute_changed = Signal()
    loading_changed = Signal()
    preview_changed = Signal()
    unreadable_found = Signal(int)  # position of the list of files that could not be read
    probe_changed = Signal(object)  # index or None
    problem = Signal(object)  # UserError
    saved_changed = Signal()
    told = Signal(str)  # a short sentence for the status line

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.cases: list[Case] = []
        self.current: int | None = None
        self.card: ModelCard | None = None
        self.model_path = ""
        self.model_code: OwnCode | None = None
        self.layers: LayerNode | None = None
        self.compute = Compute()
        self.loading = Loading()
        self.preview: Preview | None = None
        self.unreadable: list[tuple[int, tuple[Unreadable, ...]]] = []  # after how many cases, and the files
        self.drawing = False  # an outline or a stroke is unfinished
        self._no_view = View()

    # Reading

    @property
    def case(self) -> Case | None:
        """The case that is shown."""
        return self.cases[self.current] if self.current is not None else None

    @property
    def volume(self) -> Volume | None:
        """The image that is shown."""
        return self.case.volume if self.case is not None else None

    @property
    def view(self) -> View:
        """How it is looked at."""
        return self.case.view if self.case is not None else self._no_view

    @property
    def result(self) -> AnalysisResult | None:
        """Prediction and maps of the shown case."""
        return self.case.result if self.case is not None else None

    @property
    def answer(self) -> AnalysisResult | None:
        """The result, if the model that is chosen gave it; None while another model's maps are shown."""
        case = self.case
        mine = case is not None and case.plan is not None and case.plan.model == self.model_path
        return self.result if mine else None

    @property
    def maps(self) -> tuple[AttributionMap, ...]:
        """Maps of the shown case."""
        return self.result.maps if self.result is not None else ()

    @property
    def amap(self) -> AttributionMap | None:
        """The chosen map, else the first."""
        chosen = [one for one in self.maps if one.method == self.view.method]
        return next(iter((*chosen, *self.maps)), None)

    @property
    def regions(self) -> RegionSet | None:
        """Regions of the shown case."""
        return self.case.regions if self.case is not None else None

    @property
    def modified(self) -> bool:
        """Whether there is work on any case that is not saved."""
        return any(case.modified for case in self.cases)

    # Changing

    def add_cases(self, cases: list[Case], unreadable: tuple[Unreadable, ...] = ()) -> int:
        """Put new cases at the end, with the files beside them that could not be read; returns the first's position."""
        first = len(self.cases)
        self.cases.extend(cases)
        if unreadable:
            self.unreadable.append((len(self.cases), unreadable))
        self.cases_changed.emit()
        if unreadable:
            self.unreadable_found.emit(len(self.unreadable) - 1)
        return first

    def insert_case(self, position: int, case: Case) -> None:
        """Put a case between the others; what is shown stays shown."""
        self.cases.insert(position, case)
        self.unreadable = [(count + (count >= position), files) for count, files in self.unreadable]
        if self.current is not None and self.current >= position:
            self.current += 1
        self.cases_changed.emit()

    def name_case(self, case: Case, digest: str, name: str) -> None:
        """The digest of a case's image is known, and its name with it."""
        case.image_hash, case.name = digest, name
        self.cases_changed.emit()

    def show(self, position: int) -> None:
        """Show the case at ``position``, whose volume has been loaded."""
        self.current = position
        self.cases_changed.emit()
        self.volume_changed.emit()
        self.view_changed.emit()
        self.result_changed.emit()
        self.regions_changed.emit()
        self.rows_changed.emit()

    def set_model(self, path: str, card: ModelCard, code: OwnCode | None = None) -> None:
        """Another model package, with the Python file it brings."""
        self.model_path, self.card, self.model_code, self.layers = path, card, code, None
        self.model_changed.emit()

    def set_layers(self, layers: LayerNode) -> None:
        """The modules of the present model, once it is loaded."""
        self.layers = layers
        self.layers_changed.emit()

    def set_result(self, case: Case, plan: AnalysisPlan, result: AnalysisResult) -> None:
        """What an analysis gave."""
        case.plan, case.result = plan, result
        self.touch(case)
        self.cases_changed.emit()
        if case is self.case:
            self.result_changed.emit()

    def set_rows(self, case: Case, rows: tuple[StatisticRow, ...]) -> None:
        """Region statistics of the case's maps."""
        case.rows = rows
        if case is self.case:
            self.rows_changed.emit()

    def change_view(self, **changes: Any) -> None:
        """Change some of :class:`View`; says what kind of change it was."""
        before, after = self.view, replace(self.view, **changes)
        if before == after:
            return
        if self.case is not None:
            self.case.view = after
        else:
            self._no_view = after
        if changes.keys() & {"fade", "threshold", "map_shown", "method"}:
            self.map_changed.emit()
        if changes.keys() & {"region"}:
            self.regions_changed.emit()
        if changes.keys() - {"fade", "threshold", "region"}:
            self.view_changed.emit()

    def touch_regions(self, case: Case) -> None:
        """The editor of a case has changed its regions."""
        self.touch(case)
        if case is self.case:
            self.regions_changed.emit()
        else:
            self.cases_changed.emit()

    def set_compute(self, compute: Compute) -> None:
        """What is being computed, and how far it is."""
        self.compute = compute
        self.compute_changed.emit()

    def set_loading(self, loading: Loading) -> None:
        """What is being read or written."""
        if loading != self.loading:
            self.loading = loading
            self.loading_changed.emit()

    def set_preview(self, preview: Preview | None) -> None:
        """Show an image in place of the case; None brings the case back."""
        if preview is not self.preview:
            self.preview = preview
            self.preview_changed.emit()

    def set_drawing(self, drawing: bool) -> None:
        """An outline or a stroke has begun or ended."""
        self.drawing = drawing

    def touch(self, case: Case) -> None:
        """There is work on this case that is not saved."""
        case.edits += 1
        self.saved_changed.emit()

    def mark_saved(self, case: Case, edits: int, path: Path) -> None:
        """A session file holds what this case was after so many edits, and no other case any more."""
        for other in self.cases:
            if other is not case and other.path == path:
                other.path, other.saved = None, -1 if other.regions or other.result else other.edits
        case.path, case.saved = path, edits
        self.saved_changed.emit()

    def forget_changes(self) -> None:
        """What is not saved is not wanted."""
        for case in self.cases:
            case.saved = case.edits
        self.saved_changed.emit()

    def report(self, error: UserError) -> None:
        """Something went wrong that the user should know."""
        self.problem.emit(error)
