"""`explain`: one study with all the outputs of a cohort of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from saliency_viewer.domain import AnalysisPlan, AnalysisResult, RegionSet
from saliency_viewer.pipeline.case import CaseFields, CaseOutcome, explain_case, export_case
from saliency_viewer.pipeline.output import Output
from saliency_viewer.pipeline.records import done_entry
from saliency_viewer.pipeline.services import Services
from saliency_viewer.runtime.context import RunContext


def explain_study(
    plan: AnalysisPlan,
    services: Services,
    out: Path,
    region_files: Sequence[Path] = (),
    fields: CaseFields | None = None,
    context: RunContext | None = None,
    identify: bool = False,
) -> CaseOutcome:
    """Explain one study and write its files, the table, the plot and the manifest to ``out``.

    Raises :class:`UserError` for bad input or when ``out`` cannot be written.
    """
    output = Output(out, "explain", plan, identify)
    return _saved(output, explain_case(plan, services, out, region_files, fields, context), identify)


def export_study(
    plan: AnalysisPlan,
    result: AnalysisResult,
    regions: RegionSet | None,
    out: Path,
    fields: CaseFields | None = None,
    identify: bool = False,
) -> CaseOutcome:
    """The files of :func:`explain_study` for a result that was computed before, with regions as drawn.

    Raises :class:`UserError` when there is no map or ``out`` cannot be written.
    """
    output = Output(out, "export", plan, identify)
    return _saved(output, export_case(plan, result, regions, out, fields), identify)


def _saved(output: Output, outcome: CaseOutcome, identify: bool) -> CaseOutcome:
    output.add(done_entry(outcome, "", output.folder, identify), outcome.rows)
    output.save()
    return outcome
