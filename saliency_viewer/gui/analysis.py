"""From wishes to plans: starts and stops computations, takes their results, and has the regions measured."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from PySide6.QtCore import QObject, QTimer

from saliency_viewer.domain import AnalysisPlan, AnalysisResult, MethodRequest, StatisticRow
from saliency_viewer.errors import UserError
from saliency_viewer.gui.consent import Consent
from saliency_viewer.gui.facts import Case, Compute
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.worker import ComputeWorker
from saliency_viewer.pipeline import CaseFields, Job, check_plan, measure_case

FIRST_METHODS = ("grad-cam", "integrated-gradients")  # a layer's view and the input's, for who asked for nothing
_MEASURE_DELAY = 120  # ms; a quick row of strokes is measured once
_CERTAIN = 0.03  # below this share done, a remaining time would be a guess


@dataclass(frozen=True)
class Wish:
    """What the method panel says: the parts of a plan that are the user's."""

    methods: tuple[MethodRequest, ...] = tuple(MethodRequest(name) for name in FIRST_METHODS)
    target: str | None = None
    layer: str | None = None
    slices: tuple[int, ...] = ()
    seed: int = 0


def plan_for(case: Case | None, model: str, wish: Wish) -> AnalysisPlan:
    """The frozen plan for an image and a model package; raises :class:`UserError` when something is missing."""
    if case is None or case.volume is None:
        raise UserError("There is no image to explain.", "Open a study first.")
    if not model:
        raise UserError("There is no model to explain.", "Choose a model package first.")
    plan = AnalysisPlan(
        image=case.reference,
        model=model,
        methods=wish.methods,
        target=wish.target,
        layer=wish.layer,
        slices=wish.slices,
        seed=wish.seed,
    )
    check_plan(plan)
    return plan


@dataclass
class _Running:
    case: Case
    plan: AnalysisPlan
    began: float = field(default_factory=time.monotonic)


class Analysis(QObject):
    """Hears wishes about computing, hands plans to the worker and its results to the state.

    Only the newest job counts: what an older one still says is dropped.
    """

    def __init__(
        self,
        state: DocumentState,
        intents: Intents,
        worker: ComputeWorker,
        pool: FilePool,
        consent: Consent,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._worker, self._pool, self._consent = state, worker, pool, consent
        self._wish = Wish()
        self._number = 0  # of the newest job
        self._waits_for = ""  # the digest of the code that must be allowed first
        self._running: _Running | None = None
        self._measured = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MEASURE_DELAY)
        self._timer.timeout.connect(self.measure)
        intents.explain.connect(self.explain)
        intents.cancel.connect(self.cancel)
        worker.began.connect(self._began)
        worker.progressed.connect(self._progressed)
        worker.done.connect(self._done)
        worker.failed.connect(self._failed)
        worker.stopped.connect(self._stopped)
        consent.given.connect(self._go_on)
        consent.refused.connect(self._give_up)
        state.regions_changed.connect(self._measure_soon)
        state.result_changed.connect(self._measure_soon)

    @property
    def busy(self) -> bool:
        """Whether a map is computed or a region measured."""
        return self._running is not None or self._timer.isActive()

    def explain(self, wish: Wish | None) -> None:
        """Start computing; a job that runs is stopped. None repeats the last wish.

        A model that brings code of its own waits until the user has allowed it.
        """
        self._wish = wish or self._wish
        try:
            plan = plan_for(self._state.case, self._state.model_path, self._wish)
        except UserError as error:
            self._state.report(error)
            return
        case, code = self._state.case, self._state.model_code
        if case is None:
            return
        if code is not None and not self._consent.covers(code):
            self._waits_for = code.digest
            self._consent.ask(code)
            return
        if self._running is not None:
            self._worker.cancel(self._number)
        self._number = self._worker.new_id()
        self._running = _Running(case, plan)
        self._state.set_compute(Compute(self._number, 0.0, "Getting ready"))
        self._worker.submit(Job(self._number, plan, self._consent.digests(code)))

    def _go_on(self, digest: str) -> None:
        if self._waits_for == digest:
            self._waits_for = ""
            self.explain(None)

    def _give_up(self, digest: str) -> None:
        if self._waits_for == digest:
            self._waits_for = ""

    def cancel(self) -> None:
        """Ask the running job to stop."""
        if self._running is not None:
            self._worker.cancel(self._number)
            self._state.set_compute(replace(self._state.compute, stopping=True, text="Stopping", seconds_left=None))

    # What the worker says

    def _began(self, number: int) -> None:
        if number == self._number and self._running is not None:
            self._running.began = time.monotonic()

    def _progressed(self, number: int, fraction: float, text: str) -> None:
        if number != self._number or self._running is None or self._state.compute.stopping:
            return
        passed = time.monotonic() - self._running.began
        left = passed / fraction - passed if _CERTAIN < fraction < 1.0 else None
        self._state.set_compute(Compute(number, fraction, text, left))

    def _done(self, number: int, result: AnalysisResult) -> None:
        running = self._end(number)
        if running is None:
            return
        if running.case.volume is not None:
            # The same grid object as the viewports have, and one copy of the pixels instead of two.
            result = replace(result, volume=running.case.volume)
        if running.case is self._state.case and result.maps:
            self._show_evidence(result)  # first where to look, then what: the pictures are made once
        self._state.set_result(running.case, running.plan, result)

    def _show_evidence(self, result: AnalysisResult) -> None:
        methods = [one.method for one in result.maps]
        view = self._state.view
        method = view.method if view.method in methods else methods[0]
        shown = result.slices and view.index[0] not in result.slices and bool(result.maps[0].slices)
        index = (result.slices[len(result.slices) // 2], *view.index[1:]) if shown else view.index
        if index == tuple(size // 2 for size in result.volume.geometry.shape):
            # Nobody has looked anywhere yet, so look where the evidence is.
            index = next(one for one in result.maps if one.method == method).peak or index
        self._state.change_view(method=method, index=index, map_shown=True)

    def _failed(self, number: int, message: str, hint: str, detail: str) -> None:
        if self._end(number) is not None:
            self._state.report(UserError(message, hint, detail))

    def _stopped(self, number: int) -> None:
        if self._end(number) is not None:
            self._state.told.emit("Stopped. What was computed before is kept.")

    def _end(self, number: int) -> _Running | None:
        """The job's case when it is the newest; None for a stale one."""
        if number != self._number or self._running is None:
            return None
        running, self._running = self._running, None
        self._state.set_compute(Compute())
        return running

    # Regions

    def _measure_soon(self) -> None:
        if self._state.result is not None:
            self._timer.start()

    def measure(self) -> None:
        """Measure every region of the shown case in every map, in the pool; an older measurement is dropped."""
        case = self._state.case
        if case is None or case.result is None:
            return
        self._measured += 1
        token, result, regions = self._measured, case.result, case.regions

        def finish(rows: tuple[StatisticRow, ...]) -> None:
            if token == self._measured:
                self._state.set_rows(case, rows)

        self._pool.run(lambda: measure_case(result, regions, CaseFields()), finish)
