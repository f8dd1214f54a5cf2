"""Many cases, one after the other: a failing one is recorded and passed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import saliency_viewer
from saliency_viewer.domain import AnalysisPlan
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.exporters import case_identifier, keyed_digest, safe_name
from saliency_viewer.pipeline.case import explain_case
from saliency_viewer.pipeline.cohort import Case, file_name
from saliency_viewer.pipeline.output import Output, Previous
from saliency_viewer.pipeline.privacy import unexpected
from saliency_viewer.pipeline.records import done_entry, failed_entry
from saliency_viewer.pipeline.services import Services
from saliency_viewer.readers import stamp
from saliency_viewer.runtime.context import RunContext


@dataclass(frozen=True)
class BatchOptions:
    """``resume`` skips cases that are complete for the same plan; ``identify`` allows paths in the manifest.

    ``region_files`` are measured in every case, beside the case's own.
    """

    resume: bool = False
    identify: bool = False
    region_files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class CaseFailure:
    """A case that gave nothing: its name, where it stands in the cohort, its path, and why."""

    subject: str
    place: str
    error: UserError
    path: str


@dataclass(frozen=True)
class BatchReport:
    """How the cases ended."""

    done: int
    skipped: int
    failures: tuple[CaseFailure, ...]


def run_batch(
    cases: Sequence[Case],
    plan: AnalysisPlan,
    services: Services,
    out: Path,
    options: BatchOptions | None = None,
    context: RunContext | None = None,
    on_failure: Callable[[CaseFailure], None] | None = None,
) -> BatchReport:
    """Explain every case as ``plan`` says; its image, and its model where the case names one, are replaced.

    Table, plot and manifest in ``out`` are kept up to date while it runs. Raises :class:`UserError` when
    ``out`` cannot be written, :class:`Cancelled` when the user stopped; what was finished stays.
    """
    options = options or BatchOptions()
    context = context or RunContext()
    output = Output(out, "batch", plan, options.identify)
    runner = _Runner(cases, services, output, Previous(out) if options.resume else None, options)
    failures: list[CaseFailure] = []
    try:
        for number, case in enumerate(cases):
            about = f"Case {number + 1} of {len(cases)}"
            part = context.part(number / len(cases), (number + 1) / len(cases), about)
            part.report(0.0)
            failure = runner.run(case, runner.case_plan(case, plan), part)
            if failure is not None:
                failures.append(failure)
                if on_failure is not None:
                    on_failure(failure)
            output.save_now_and_then()
    finally:
        output.save()
    return BatchReport(runner.done, runner.skipped, tuple(failures))


class _Runner:
    """Runs one case after another and tells the output how each ended."""

    def __init__(
        self,
        cases: Sequence[Case],
        services: Services,
        output: Output,
        previous: Previous | None,
        options: BatchOptions,
    ) -> None:
        subjects = [case.fields.subject for case in cases]
        self._repeated = {subject for subject in subjects if subjects.count(subject) > 1} - {""}
        self._services = services
        self._output = output
        self._previous = previous
        self._options = options
        self.done = self.skipped = 0

    @staticmethod
    def case_plan(case: Case, plan: AnalysisPlan) -> AnalysisPlan:
        """The batch's plan for this case."""
        image = replace(case.image, grid=case.image.grid or plan.image.grid)
        return replace(plan, image=image, model=case.model or plan.model)

    def run(self, case: Case, plan: AnalysisPlan, context: RunContext) -> CaseFailure | None:
        """Run one case, or find it done; returns its failure, if any."""
        try:
            self._run(case, plan, context)
        except UserError as error:
            return self._failed(case, error)
        except Cancelled:
            raise
        except Exception as error:  # one broken case must not cost the user the night's other cases
            return self._failed(case, unexpected(error, (plan.image.path, plan.model)))
        return None

    def _run(self, case: Case, plan: AnalysisPlan, context: RunContext) -> None:
        if case.fold and self._services.card(plan.model).folds:  # a cohort's folds mean nothing to a single network
            plan = replace(plan, fold=case.fold)
        files = (*self._options.region_files, *case.regions)
        fingerprint = _fingerprint(case, plan, files)
        found = self._previous.find(fingerprint) if self._previous is not None else None
        if found is not None:
            self._output.add(*found)
            self.skipped += 1
            return
        fields = case.fields
        name = file_name(fields, fields.subject in self._repeated)
        if not name:
            digest = self._services.image(plan.image, context.part(0.0, 0.01)).digest
            name = self._free_name(case_identifier(digest))
            fields = replace(fields, subject=name)
        outcome = explain_case(plan, self._services, self._output.folder, files, fields, context, name)
        entry = done_entry(outcome, fingerprint, self._output.folder, self._options.identify)
        self._output.add(entry, outcome.rows)
        self.done += 1

    def _free_name(self, wish: str) -> str:
        """The same image twice in a folder is two cases."""
        name, count = wish, 2
        while name in self._output.names:
            name, count = f"{wish}-{count}", count + 1
        return name

    def _failed(self, case: Case, error: UserError) -> CaseFailure:
        fields = case.fields
        name = file_name(fields, fields.subject in self._repeated)
        anonymous = f"case-{keyed_digest('path', case.image.path, case.image.series or '')[:8]}"
        failure = CaseFailure(safe_name(name) if name else anonymous, case.place, error, case.image.path)
        self._output.add(failed_entry(failure.subject, failure.place, error))
        return failure


def _fingerprint(case: Case, plan: AnalysisPlan, region_files: Sequence[Path]) -> str:
    """A digest of everything that the case's outputs depend on; keyed, since file names go in."""
    parts = {
        "program": saliency_viewer.__version__,
        "plan": plan.to_dict(),
        "fields": asdict(case.fields),
        "image": stamp(plan.image.path),
        "model": stamp(plan.model),
        "regions": [stamp(str(path)) for path in region_files],
    }
    return keyed_digest("fingerprint", json.dumps(parts, sort_keys=True))
