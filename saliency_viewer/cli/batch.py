"""`batch COHORT.csv|FOLDER`: many studies."""

from __future__ import annotations

import argparse
from pathlib import Path

from saliency_viewer.cli.console import ProgressBar, ProgressLines, complain, say
from saliency_viewer.cli.options import add_plan_options, existing_files, make_plan, trusted
from saliency_viewer.cli.parsing import natural_number
from saliency_viewer.runtime.context import RunContext

SOME_FAILED = 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `batch`'s options."""
    parser.add_argument("cohort", metavar="COHORT.csv|FOLDER", type=Path, help="table (subject, image), or folder")
    parser.add_argument(
        "--max-samples", "--max_samples", type=natural_number, default=0, metavar="N", help="stop after N, 0 for all"
    )
    parser.add_argument("--progress-lines", action="store_true", help=argparse.SUPPRESS)  # the window reads along
    parser.add_argument("--resume", action="store_true", help="skip cases that are complete for the same plan")
    add_plan_options(parser)


def run(options: argparse.Namespace) -> int:
    """Explain a cohort; 1 when some cases failed."""
    from saliency_viewer.pipeline import BatchOptions, CaseFailure, Services, check_plan, read_cohort, run_batch

    plan = make_plan(options, "")
    check_plan(plan)
    services = Services(trusted(options))
    cases = read_cohort(options.cohort, services.study)[: options.max_samples or None]
    bar = ProgressLines() if options.progress_lines else ProgressBar()

    def failed(failure: CaseFailure) -> None:
        bar.clear()
        # A path can name the patient: it is shown to who asked for such things.
        where = f"{failure.place}, {failure.path}" if options.identify else failure.place
        complain(f"{failure.subject} ({where}) failed: {failure.error}")

    try:
        report = run_batch(
            cases,
            plan,
            services,
            options.out,
            BatchOptions(options.resume, options.identify, existing_files(options.regions, "region file")),
            RunContext(bar),
            failed,
        )
    finally:
        bar.clear()
    if report.failures and not options.identify:
        complain("--identify shows the paths of the failed cases.")
    say(f"{report.done} done, {report.skipped} already complete, {len(report.failures)} failed")
    return SOME_FAILED if report.failures else 0
