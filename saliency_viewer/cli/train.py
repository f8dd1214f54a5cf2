"""`train`: a data set to a model package with its report."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from saliency_viewer.cli.console import ProgressBar, ProgressLines, complain, say
from saliency_viewer.cli.parsing import natural_number
from saliency_viewer.domain import (
    DATASETS,
    EpochFigures,
    ParameterSpec,
    TrainingPlan,
    TrainingSettings,
    parameter_specs,
)
from saliency_viewer.domain.plan import DEFAULT_THREADS
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.runtime.context import RunContext

EPOCH_MARK, REPORT_MARK = "epoch", "report"
_STOPPED = {signal.SIGINT: 130, signal.SIGTERM: 143}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `train`'s options; those of :class:`TrainingSettings` come from its fields."""
    from saliency_viewer.training.networks import NETWORKS

    names = ", ".join(network.name for network in NETWORKS)
    parser.add_argument("--dataset", required=True, choices=DATASETS, help="layout of the data set")
    parser.add_argument("--root", required=True, metavar="DIR", help="the data set's folder, or the table of a CSV set")
    parser.add_argument("--architecture", required=True, metavar="NAME", help=f"one of: {names}")
    parser.add_argument("--out", required=True, metavar="PACKAGE", help="folder of the new model package")
    stopped = parser.add_mutually_exclusive_group()
    stopped.add_argument("--resume", action="store_true", help="go on from the last whole epoch of a stopped training")
    stopped.add_argument(
        "--anew", action="store_true", help="begin anew in the place of a stopped training or a package"
    )
    parser.add_argument(
        "--check", action="store_true", help="read the data, try one batch, say what it takes, and stop"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")
    parser.add_argument("--threads", type=natural_number, default=DEFAULT_THREADS, metavar="N", help="CPU threads")
    parser.add_argument("--limit", type=natural_number, default=0, metavar="N", help="cases at most, 0: all")
    parser.add_argument(
        "--column",
        nargs="+",
        action="extend",
        default=[],
        dest="columns",
        metavar="image=NAME",
        help="names of a table's columns: image, label, patient, mask, ...",
    )
    parser.add_argument("--progress-lines", action="store_true", help=argparse.SUPPRESS)  # the window reads along
    for spec in parameter_specs(TrainingSettings):
        _add_setting(parser, spec)


def _add_setting(parser: argparse.ArgumentParser, spec: ParameterSpec) -> None:
    name = spec.name.replace("_", "-")
    words = f"{spec.help} (default: {str(spec.default).lower() or 'none'})".replace("%", "%%")
    if spec.kind is bool:
        # --calibrate, --calibrate false and --no-calibrate
        parser.add_argument(f"--{name}", nargs="?", const="true", default=spec.default, metavar="BOOL", help=words)
        parser.add_argument(f"--no-{name}", dest=spec.name, action="store_const", const="false", help=argparse.SUPPRESS)
        return
    shown = "|".join(spec.choices) or (spec.unit or spec.kind.__name__).upper()
    parser.add_argument(f"--{name}", default=spec.default, metavar=shown, help=words)


def make_plan(options: argparse.Namespace) -> TrainingPlan:
    """The plan that the options describe; raises :class:`UserError` for a value out of its range."""
    settings = {spec.name: spec.parse(getattr(options, spec.name), "") for spec in parameter_specs(TrainingSettings)}
    return TrainingPlan(
        dataset=options.dataset,
        root=options.root,
        architecture=options.architecture,
        out=options.out,
        settings=TrainingSettings(**settings),
        columns=_columns(options.columns),
        device=options.device,
        threads=max(1, options.threads),
        limit=options.limit,
    )


def _columns(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        role, equals, name = text.partition("=")
        if not (equals and role.strip() and name.strip()):
            raise UserError(f"'{text}' names no column.", "Write it as image=NAME, label=NAME or patient=NAME.")
        found[role.strip()] = name.strip()
    return found


def run(options: argparse.Namespace) -> int:
    """Train, or only check; 130 or 143 when stopped."""
    plan = make_plan(options)
    bar = ProgressLines() if options.progress_lines else ProgressBar()
    with _stoppable() as signals:
        context = RunContext(bar, lambda: bool(signals))
        try:
            return _check(plan, context, bar) if options.check else _train(plan, context, bar, options)
        except Cancelled:
            bar.clear()
            complain(_farewell(options))
            return _STOPPED[signals[0]] if signals else 130
        finally:
            bar.clear()


def _check(plan: TrainingPlan, context: RunContext, bar: ProgressBar | ProgressLines) -> int:
    from saliency_viewer.pipeline import check_training

    said = check_training(plan, context)
    bar.clear()
    for sentence in said:
        say(sentence)
    return 0


def _train(
    plan: TrainingPlan, context: RunContext, bar: ProgressBar | ProgressLines, options: argparse.Namespace
) -> int:
    from saliency_viewer.pipeline import run_training

    def told(words: str) -> None:
        bar.clear()
        complain(f"warning: {words}")

    def on_epoch(figures: EpochFigures) -> None:
        bar.clear()
        if options.progress_lines:
            say(f"{EPOCH_MARK}\t{json.dumps(figures.to_dict())}")
        else:
            say(epoch_line(figures))
        sys.stdout.flush()

    outcome = run_training(plan, context, on_epoch, told, options.resume, options.anew)
    bar.clear()
    for sentence in outcome.sentences:
        say(sentence)
    say(f"{REPORT_MARK}\t{outcome.page}" if options.progress_lines else f"Report: {outcome.page}")
    return 0


def epoch_line(figures: EpochFigures) -> str:
    """One epoch for a reader."""
    return (
        f"epoch {figures.epoch:3d}/{figures.epochs}  loss {figures.training_loss:.4f}  validation "
        f"{figures.validation_loss:.4f}  AUC {figures.validation_auc:.4f}{' *' if figures.best else '  '}  "
        f"{figures.seconds:.1f} s"
    )


def _farewell(options: argparse.Namespace) -> str:
    if options.check:
        return "Stopped."
    return "Stopped. What was learnt up to the last whole epoch is kept: the same command with --resume goes on there."


@contextmanager
def _stoppable() -> Iterator[list[signal.Signals]]:
    """Collect the wish to stop instead of dying of it; a second Ctrl-C ends the program at once."""
    received: list[signal.Signals] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number))

    before = {one: signal.signal(one, note) for one in _STOPPED}
    try:
        yield received
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
