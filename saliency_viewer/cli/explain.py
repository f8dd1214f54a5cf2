"""`explain INPUT`: one study, all outputs."""

from __future__ import annotations

import argparse

from saliency_viewer.cli.console import ProgressBar, complain, say
from saliency_viewer.cli.examination import prediction_words
from saliency_viewer.cli.options import add_plan_options, existing_files, make_plan, trusted
from saliency_viewer.runtime.context import RunContext


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `explain`'s options."""
    parser.add_argument("input", metavar="INPUT", help="study or image to explain")
    parser.add_argument("--subject", default="", metavar="NAME", help="name of the case (default: an anonymous one)")
    parser.add_argument("--label", default="", metavar="CLASS", help="true class, for the summary's title")
    add_plan_options(parser)


def run(options: argparse.Namespace) -> int:
    """Explain one study."""
    from saliency_viewer.pipeline import CaseFields, Services, check_plan, explain_study

    plan = make_plan(options, options.input)
    check_plan(plan)
    regions = existing_files(options.regions, "region file")
    bar = ProgressBar()
    try:
        outcome = explain_study(
            plan,
            Services(trusted(options)),
            options.out,
            region_files=regions,
            fields=CaseFields(subject=options.subject, label=options.label),
            context=RunContext(bar),
            identify=options.identify,
        )
    finally:
        bar.clear()
    say(f"{outcome.fields.subject}: {prediction_words(outcome.result.prediction)}")
    for failure in outcome.result.failures:
        complain(f"{failure.method} gave no map: {failure.message} {failure.hint}".rstrip())
    for warning in outcome.result.warnings:
        complain(f"warning: {warning}")
    maps = len(outcome.result.maps)
    say(f"{maps} map{'' if maps == 1 else 's'}, {len(outcome.rows)} statistics in {outcome.result.seconds:.1f} s")
    return 0
