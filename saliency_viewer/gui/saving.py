"""Work out of the window: sessions, autosave, export of results and of regions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from saliency_viewer.domain import Volume
from saliency_viewer.errors import UserError
from saliency_viewer.gui.facts import Loading
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.reading import named
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.session import Autosave, Document, save_session, window_record

_TICK = 5000  # ms between two looks at whether there is something to autosave


def document_of(state: DocumentState) -> Document:
    """The shown case as a session file holds it."""
    case, result = state.case, state.result
    if case is None:
        return Document()
    view = case.view
    return Document(
        image=case.reference,
        image_hash=case.image_hash,
        # Of the model that made the maps: one that was only chosen since has nothing to do with them.
        model=case.plan.model if result is not None and case.plan is not None else state.model_path,
        model_hash=result.model_hash if result is not None else "",
        plan=case.plan,
        regions=case.regions,
        maps=result.maps if result is not None else (),
        prediction=result.prediction if result is not None else None,
        key_slices=result.slices if result is not None else (),
        view={
            "window": window_record(view.window),
            "graphics": view.graphics,
            "index": list(view.index),
            "fade": view.fade,
            "threshold": view.threshold,
            "method": view.method,
            "region": view.region,
        },
    )


class Saving(QObject):
    """Hears everything that writes something, and writes it in the pool."""

    def __init__(
        self, state: DocumentState, intents: Intents, pool: FilePool, autosave: Autosave, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._state, self._pool, self._autosave = state, pool, autosave
        self.path: Path | None = None
        intents.export.connect(self.export)
        intents.export_regions.connect(self.export_regions)
        state.saved_changed.connect(self._changed)
        self._stale = False
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def save(self, path: Path) -> None:
        """Write the session file."""
        document = document_of(self._state)

        def saved(_path: Path) -> None:
            self.path = path
            self._state.touch(False)
            self._autosave.discard()
            self._state.told.emit("Saved.")

        volume = self._state.volume
        self._pool.run(lambda: save_session(_signed(document, volume), path), saved)

    def export(self, folder: str, identify: bool) -> None:
        """Write what the command line's ``explain`` writes, with the regions as drawn."""
        from saliency_viewer.pipeline import export_study

        case = self._state.case
        if case is None or case.result is None or case.plan is None:
            self._state.report(UserError("There is no map to export.", "Choose a method and compute its map first."))
            return
        plan, result, regions = case.plan, case.result, case.regions
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

    def forget(self) -> None:
        """The work is saved or not wanted: remove what autosave kept."""
        self._timer.stop()
        self._autosave.discard()

    def _changed(self) -> None:
        self._stale = self._state.modified

    def _tick(self) -> None:
        if not self._stale or self._pool.busy:
            return
        self._stale = False
        document = document_of(self._state)
        volume = self._state.volume
        self._pool.run(lambda: self._autosave.changed(_signed(document, volume)), lambda _: None)


def _signed(document: Document, volume: Volume | None) -> Document:
    """The document with its image's digest, for who saves before that was known; in the pool, since it takes long."""
    if document.image_hash or volume is None:
        return document
    return replace(document, image_hash=named(volume).digest)
