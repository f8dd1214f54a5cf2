"""Has the agreement of the models measured beside the window, again when regions change, and has it written."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QObject, QTimer

from saliency_viewer.domain import Comparison, Contender, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.gui.comparing.state import ComparingState
from saliency_viewer.gui.facts import Compute, Loading
from saliency_viewer.gui.files import FilePool, Task
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.state import DocumentState

_DELAY = 400  # ms; a quick row of strokes is measured once
_NOTHING = UserError("There is no comparison to export.", "Add models and press Run first.")


class Agreement(QObject):
    """Only the newest measurement counts: an older one is stopped."""

    def __init__(
        self,
        document: DocumentState,
        comparing: ComparingState,
        pool: FilePool,
        intents: Intents,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._document, self._comparing, self._pool = document, comparing, pool
        self._task: Task | None = None
        self._regions: RegionSet | None = None  # as they were measured
        self._began = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_DELAY)
        self._timer.timeout.connect(self.measure)
        document.regions_changed.connect(self._follow_regions)
        intents.compare_export.connect(self.export)

    @property
    def waits(self) -> bool:
        """Whether a measurement will start in a moment."""
        return self._timer.isActive()

    def stop(self) -> None:
        """Stop measuring."""
        self._timer.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None
            self._comparing.set_compute(Compute())

    def drop(self) -> None:
        """Stop measuring, and forget what was measured."""
        self.stop()
        self._comparing.set_comparison(None)

    def measure(self) -> None:
        """Measure the answers that are there."""
        from saliency_viewer.pipeline import compare_results

        self.stop()
        contenders = tuple(
            Contender(entry.name, entry.path, entry.result, entry.failure)
            for entry in self._comparing.entries
            if entry.result is not None or entry.failure
        )
        if not any(one.result is not None and one.result.maps for one in contenders):
            self._comparing.set_comparison(None)
            return
        self._regions = regions = self._document.regions
        self._began = time.monotonic()
        self._tell(0.0, "")
        self._task = self._pool.run_long(
            lambda context: compare_results(contenders, regions, context),
            self._measured,
            progressed=self._tell,
            failed=self._failed,
        )

    def _tell(self, fraction: float, _words: str) -> None:
        passed = time.monotonic() - self._began
        left = passed / fraction - passed if fraction > 0.0 else None
        self._comparing.set_compute(Compute(0, fraction, "Measuring agreement", left))

    def _measured(self, comparison: Comparison) -> None:
        self._task = None
        self._comparing.set_compute(Compute())
        self._comparing.set_comparison(comparison)

    def _failed(self, error: UserError) -> None:
        self._task = None
        self._comparing.set_compute(Compute())
        self._comparing.set_comparison(None)
        self._document.report(error)

    def _follow_regions(self) -> None:
        """Other regions have other numbers; choosing one changes none."""
        measured = self._comparing.comparison is not None or self._task is not None
        if measured and self._document.regions is not self._regions:
            self._timer.start()

    def export(self, folder: str, identify: bool) -> None:
        """Write what the command line's ``compare`` writes, with the regions that were measured."""
        from saliency_viewer.pipeline import export_comparison

        comparison, look, regions = self._comparing.comparison, self._comparing.look, self._regions
        plans = [entry.plan for entry in self._comparing.entries if entry.plan is not None]
        if comparison is None or not plans:
            self._document.report(_NOTHING)
            return
        levels = (look.level,) if look.contours else ()
        self._document.set_loading(Loading("Writing files"))
        self._pool.run(
            lambda: export_comparison(comparison, plans[0], regions, Path(folder), levels, look.scale, identify),
            lambda _: self._document.told.emit("The comparison was exported."),
            lane="write",
        )
