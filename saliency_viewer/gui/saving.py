"""Work out of the window: sessions, export of results and of regions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject

from saliency_viewer.errors import UserError
from saliency_viewer.gui.documents import document_of, signed
from saliency_viewer.gui.facts import Case, Loading
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.session import save_session


class Saving(QObject):
    """Hears everything that writes something, and writes it in the pool."""

    def __init__(self, state: DocumentState, intents: Intents, pool: FilePool, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._pool = state, pool
        intents.export.connect(self.export)
        intents.export_regions.connect(self.export_regions)

    def save(self, path: Path, case: Case | None = None) -> None:
        """Write the session file of ``case``, by default of the shown one."""
        case = case or self._state.case
        if case is None:
            return
        document, volume, edits, chosen = document_of(case, self._state.model_path), case.volume, case.edits, case

        def saved(_path: Path) -> None:
            self._state.mark_saved(chosen, edits, path)
            self._state.told.emit("Saved.")

        self._pool.run(lambda: save_session(signed(document, volume), path), saved, lane="write")

    def export(self, folder: str, identify: bool) -> None:
        """Write what the command line's ``explain`` writes, with the regions as drawn."""
        from saliency_viewer.pipeline import export_study

        case = self._state.case
        if case is None or case.result is None or case.plan is None:
            self._state.report(UserError("There is no map to export.", "Choose a method and compute its map first."))
            return
        plan, result, regions = case.plan, case.result, case.regions
        if regions is not None:
            said = dict.fromkeys((*result.warnings, *regions.warnings))
            result = replace(result, warnings=tuple(said))
        self._state.set_loading(Loading("Writing files"))
        self._pool.run(
            lambda: export_study(plan, result, regions, Path(folder), None, identify),
            lambda outcome: self._state.told.emit(f"Exported {len(outcome.files)} files and the table."),
        )

    def export_regions(self, path: str) -> None:
        """Write the regions as a label map."""
        from saliency_viewer.exporters import write_regions

        regions = self._state.regions
        if regions is None or not len(regions):
            self._state.report(UserError("There is no region to export.", "Draw or import one first."))
            return
        self._pool.run(lambda: write_regions(regions, Path(path)), lambda _: self._state.told.emit("Regions exported."))
