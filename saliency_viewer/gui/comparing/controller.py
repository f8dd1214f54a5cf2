"""From wishes to a comparison: asks one model after the other, then has their agreement measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject

from saliency_viewer.domain import AnalysisPlan, AnalysisResult, ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.gui.analysis import Wish, plan_for
from saliency_viewer.gui.comparing.agreement import Agreement
from saliency_viewer.gui.comparing.asking import Run
from saliency_viewer.gui.comparing.state import ComparingState, Entry
from saliency_viewer.gui.consent import Consent
from saliency_viewer.gui.facts import Case, Compute
from saliency_viewer.gui.files import FilePool
from saliency_viewer.gui.intents import Intents
from saliency_viewer.gui.memory import RecentFiles
from saliency_viewer.gui.state import DocumentState
from saliency_viewer.gui.worker import ComputeWorker
from saliency_viewer.models import OwnCode, read_card
from saliency_viewer.pipeline import Job, same_question

_CERTAIN = 0.03  # below this share done, a remaining time would be a guess
_LONG = 24  # letters of a name
_REFUSED = "The model brings Python code of its own, which was not allowed to run."


class Comparing(QObject):
    """Hears wishes about the comparison; ``wish`` tells which methods are ticked."""

    def __init__(
        self,
        state: DocumentState,
        intents: Intents,
        worker: ComputeWorker,
        pool: FilePool,
        consent: Consent,
        recent: RecentFiles,
        wish: Callable[[], Wish],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self.state = ComparingState(self)
        self._document, self._worker, self._pool, self._consent = state, worker, pool, consent
        self._recent, self._wish = recent, wish
        self._run: Run | None = None
        self._case: Case | None = None  # whose answers these are
        self.agreement = Agreement(state, self.state, pool, intents, self)
        self._hear(intents)
        worker.progressed.connect(self._progressed)
        worker.done.connect(self._done)
        worker.failed.connect(self._failed)
        worker.stopped.connect(self._stopped)
        consent.given.connect(self._go_on)
        consent.refused.connect(self._refused)
        state.model_changed.connect(self._follow_model)
        state.volume_changed.connect(self._follow_image)

    def _hear(self, intents: Intents) -> None:
        intents.compare.connect(lambda: self.show(not self.state.shown))
        intents.show_images.connect(lambda: self.show(False))
        intents.compare_add.connect(self.add)
        intents.compare_remove.connect(self.remove)
        intents.compare_run.connect(self.run)
        intents.cancel.connect(self.cancel)
        intents.compare_look.connect(lambda name, value: self.state.change_look(**{name: value}))

    @property
    def busy(self) -> bool:
        """Whether a model is being asked or the agreement will be measured."""
        return self._run is not None or self.agreement.waits

    def show(self, shown: bool) -> None:
        """Show the page or the images; the window's model is on it."""
        if shown:
            self._follow_model()
        self.state.set_shown(shown)

    # Models

    def add(self, path: str) -> None:
        """Read a package's card and put the model at the end."""
        package = str(Path(path).parent) if Path(path).name == "model.toml" else path
        if any(entry.path == package for entry in self.state.entries):
            self._document.report(UserError("This model is in the comparison already.", "Choose another package."))
            return
        self._pool.run(lambda: read_card(package), partial(self._added, package))

    def _added(self, package: str, found: tuple[ModelCard, OwnCode | None]) -> None:
        card, code = found
        self._recent.add_model(package)
        self.state.set_entries([*self.state.entries, Entry(package, card, code)])

    def remove(self, name: str) -> None:
        """Take a model out; what the others said stays."""
        if self._run is not None:
            return
        self.state.set_entries([entry for entry in self.state.entries if entry.name != name])
        self.agreement.measure()

    def _follow_model(self) -> None:
        """The window's model stands first; the one before it goes, unless it was added here."""
        path, card = self._document.model_path, self._document.card
        entries = self.state.entries
        if card is None or any(entry.path == path and entry.card is card for entry in entries):
            return
        others = [entry for entry in entries if not entry.current and entry.path != path]
        self.state.set_entries([Entry(path, card, self._document.model_code, current=True), *others])
        if self._run is None:
            self.agreement.measure()

    def _follow_image(self) -> None:
        """Another image: what was said about the one before is dropped, and who computes is stopped."""
        if self._document.case is self._case:
            return
        self._case = None
        run, self._run = self._run, None
        if run is not None:
            if run.asked is not None:
                self._worker.cancel(run.number)
            self._consent.withdraw(entry.code for entry in run.queue)
            self.state.set_compute(Compute())
        for entry in self.state.entries:
            entry.reset()
        self.agreement.drop()
        self.state.set_methods(())

    # Asking

    def run(self) -> None:
        """Ask every model that has not answered this very question; once all have, ask all of them again."""
        if self._run is not None:
            return
        try:
            case, plans = self._plans(self._wish())
        except UserError as error:
            self._document.report(error)
            return
        entries = self.state.entries
        again = all(entry.result is not None and entry.plan == plan for entry, plan in zip(entries, plans, strict=True))
        for entry, plan in zip(entries, plans, strict=True):
            if again or entry.result is None or entry.plan != plan:
                entry.reset(plan)
        self._case = case
        self._run = Run(case, [entry for entry in entries if entry.stage == "waiting"])
        self.state.set_comparison(None)
        self.state.set_methods(tuple(dict.fromkeys(request.id for request in plans[0].methods)))
        for entry in self._run.queue:  # all questions at the beginning, not one in the middle of a long computation
            self._is_allowed(entry)
        self._ask_next()

    def _plans(self, wish: Wish) -> tuple[Case, list[AnalysisPlan]]:
        """One frozen plan for each model. A layer chosen for the window's model means nothing in another network."""
        case, card = self._document.case, self._document.card
        if not self.state.entries:
            raise UserError("There is no model to compare.", "Add two model packages or more.")
        own = card.architecture if card is not None else ""
        plans = [
            plan_for(case, entry.path, wish if entry.card.architecture == own else replace(wish, layer=None))
            for entry in self.state.entries
        ]
        if case is None:
            raise UserError("There is no image to explain.", "Open a study first.")
        return case, plans

    def _ask_next(self) -> None:
        run = self._run
        if run is None:
            return
        run.asked = None
        run.queue = [entry for entry in run.queue if entry in self.state.entries]
        if not run.queue:
            self._run = None
            self.state.set_compute(Compute())
            self.agreement.measure()
            return
        entry = run.queue[0]
        run.waits_for_consent = not self._is_allowed(entry)
        if not run.waits_for_consent:
            run.queue.pop(0)
            self._submit(run, entry)

    def _is_allowed(self, entry: Entry) -> bool:
        """Whether the model may run; if it may not yet, the user is asked."""
        if entry.code is None or self._consent.covers(entry.code):
            return True
        self._consent.ask(entry.code)
        return False

    def _submit(self, run: Run, entry: Entry) -> None:
        if entry.plan is None:
            raise ValueError("a model is asked without a plan")
        run.asked, run.number, entry.stage = entry, self._worker.new_id(), "running"
        self._tell_progress(run, 0.0, "getting ready")
        first = next((one.result for one in self.state.entries if one.result is not None), None)
        asked = same_question(entry.plan, first, entry.card)
        self._worker.submit(Job(run.number, asked, self._consent.digests(entry.code)))
        self.state.touch()

    def _go_on(self, _digest: str) -> None:
        if self._run is not None and self._run.waits_for_consent:
            self._ask_next()

    def _refused(self, digest: str) -> None:
        if (run := self._run) is None:
            return
        refused = [entry for entry in run.queue if entry.code is not None and entry.code.digest == digest]
        for entry in refused:
            run.queue.remove(entry)
            entry.stage, entry.failure = "failed", _REFUSED
        if refused and run.waits_for_consent:
            self._ask_next()
        self.state.touch()

    def cancel(self) -> None:
        """Stop asking and measuring; what was answered stays."""
        self.agreement.stop()
        run = self._run
        if run is None:
            return
        self._consent.withdraw(entry.code for entry in run.queue)
        for entry in run.queue:
            entry.reset()
        run.queue = []
        if run.asked is not None:
            self._worker.cancel(run.number)
            self.state.set_compute(replace(self.state.compute, stopping=True, text="Stopping", seconds_left=None))
        else:
            self._end()

    # What the worker says

    def _progressed(self, number: int, fraction: float, text: str) -> None:
        run = self._run
        if run is not None and number == run.number and not self.state.compute.stopping:
            self._tell_progress(run, fraction, text)

    def _tell_progress(self, run: Run, fraction: float, text: str) -> None:
        whole = (run.finished + fraction) / run.total
        passed = time.monotonic() - run.began
        left = passed / whole - passed if whole > _CERTAIN else None
        name = run.asked.name if run.asked is not None else ""
        short = name if len(name) <= _LONG else f"{name[:_LONG]}…"  # else how far it is would not fit
        words = f"{run.finished + 1} of {run.total} · {short} · {text}"
        self.state.set_compute(Compute(run.number, whole, words, left))

    def _done(self, number: int, result: AnalysisResult) -> None:
        entry = self._answered(number)
        if entry is None or self._run is None:
            return
        if self._run.case.volume is not None:
            result = replace(result, volume=self._run.case.volume)  # one copy of the pixels, and one grid object
        entry.result, entry.stage = result, "done"
        self._ask_next()
        self.state.touch()

    def _failed(self, number: int, message: str, hint: str, _detail: str) -> None:
        entry = self._answered(number)
        if entry is not None:
            entry.stage, entry.failure = "failed", " ".join(word for word in (message, hint) if word)
            self._ask_next()
            self.state.touch()

    def _stopped(self, number: int) -> None:
        entry = self._answered(number)
        if entry is not None:
            entry.reset()
            self._end()

    def _answered(self, number: int) -> Entry | None:
        return self._run.asked if self._run is not None and number == self._run.number else None

    def _end(self) -> None:
        """Stopped: what was answered before is measured."""
        self._run = None
        self.state.set_compute(Compute())
        self.state.touch()
        self.agreement.measure()
