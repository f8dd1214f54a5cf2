"""A series on its other grid: a case of its own beside the first, so that regions and maps of either stay."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject

from saliency_viewer.domain import Grid, Volume
from saliency_viewer.gui.facts import Case
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.state import DocumentState


class Grids(QObject):
    """Hears which grid is wanted, and goes to the case that shows it; the first time it makes that case."""

    def __init__(self, state: DocumentState, intents: Intents, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._intents = state, intents
        intents.set_grid.connect(self.show)
        intents.toggle_grid.connect(self.toggle)

    def toggle(self) -> None:
        """Go to the shown series on its other grid, if it has one."""
        case = self._state.case
        if case is not None:
            self.show(next((grid for grid in case.grids if grid != case.grid), case.grid))

    def show(self, grid: Grid) -> None:
        """Show the series of the shown case on ``grid``."""
        case = self._state.case
        if case is None or grid not in case.grids:
            return
        wanted = replace(case.reference, grid="" if grid == case.grids[0] else grid)
        known = next((one for one in self._state.cases if one.reference == wanted), None)
        if known is None:
            name = case.series.description if case.series is not None else ""
            known = Case(wanted, case.series, name or case.name)
            known.view = replace(case.view, index=(0, 0, 0), region=None, method=None, playing=False)
            self._state.insert_case(self._state.cases.index(case) + 1, known)
        self._intents.show_case.emit(self._state.cases.index(known))


def first_place(case: Case, volume: Volume, cases: list[Case]) -> tuple[int, int, int]:
    """The place in the patient that the same series shows on its other grid, else the middle."""
    shape = volume.geometry.shape
    for one in cases:
        same = one is not case and replace(one.reference, grid="") == replace(case.reference, grid="")
        if same and one.volume is not None and volume.is_stack:
            place = volume.geometry.to_index(one.volume.geometry.to_patient(one.view.index))
            z, y, x = (min(max(round(float(p)), 0), n - 1) for p, n in zip(place, shape, strict=True))
            return z, y, x
    return shape[0] // 2, shape[1] // 2, shape[2] // 2
