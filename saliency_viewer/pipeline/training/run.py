"""One training from the data set to the package and its report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.domain import EpochFigures, ModelCard, TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.models import case_table, write_package
from saliency_viewer.pipeline.threads import compute_threads
from saliency_viewer.pipeline.training.ground import Ground, lay_ground, plan_record
from saliency_viewer.pipeline.training.inputs import prepared
from saliency_viewer.pipeline.training.localisation import localise
from saliency_viewer.pipeline.training.page import headline
from saliency_viewer.pipeline.training.place import (
    CHECKPOINT,
    cohort_file,
    forget_stopped,
    is_finished,
    is_stopped,
    require_nothing_lost,
)
from saliency_viewer.pipeline.training.report import REPORT, Made, write_report
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.devices import choose_device
from saliency_viewer.training.datasets import class_weights

if TYPE_CHECKING:
    from saliency_viewer.training.checkpoint import Checkpoint, State
    from saliency_viewer.training.inputs import Inputs
    from saliency_viewer.training.judgement import Answers, Judgement

# Rough shares of the time.
_LAID, _PREPARED, _TRAINED, _JUDGED, _LOCALISED = 0.08, 0.15, 0.93, 0.95, 0.99
_TRAINING_CASES = "training_cases.csv"

OnEpoch = Callable[[EpochFigures], None]
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class TrainingOutcome:
    """A finished training: its package, its report's page, and what came out."""

    package: Path
    page: Path
    judgement: Judgement
    history: tuple[EpochFigures, ...]
    sentences: tuple[str, ...]


def _ignore(_: object) -> None:
    """Nobody listens."""


def run_training(
    plan: TrainingPlan,
    context: RunContext | None = None,
    on_epoch: OnEpoch = _ignore,
    say: Say = _ignore,
    resume: bool = False,
    anew: bool = False,
) -> TrainingOutcome:
    """Train, judge, and write the package with its report.

    Parameters
    ----------
    on_epoch:
        Hears the figures of every epoch when it is over; of a resumed training, first those of its earlier epochs.
    say:
        Hears sentences about the data and about what had to be done otherwise than asked.
    resume:
        Go on from the checkpoint beside ``plan.out`` where there is one.
    anew:
        Replace a checkpoint or a package that is there.

    Raises
    ------
    UserError
        For the checkpoint of a stopped training without ``resume`` or ``anew``, a package without ``anew``, bad data, a
        plan that cannot be, a full disk, too little memory, or a loss that is no number.
    Cancelled
        When the user stopped; the checkpoint of the last whole epoch stays.
    """
    context = context or RunContext()
    started = time.perf_counter()
    with compute_threads(plan.threads):
        if not (resume or anew):
            require_nothing_lost(plan)
        device = choose_device(plan.device)
        ground = lay_ground(plan, context.part(0.0, _LAID))
        if resume:
            _require_unfinished(plan)
        ground, inputs = prepared(ground, context.part(_LAID, _PREPARED))
        for warning in ground.warnings:
            say(warning)
        state = _fitted(ground, inputs, device, resume, on_epoch, say, context.part(_PREPARED, _TRAINED))
        weights, judgement = _judged(ground, inputs, state, device, context.part(_TRAINED, _JUDGED))
        card = _finished_card(ground.card, judgement)
        seen = {card.training_cases: _training_cases(ground, inputs)}
        write_package(plan.out, card, weights, seen)
        folder = Path(plan.out) / REPORT
        found = localise(ground, inputs.digests, folder, device, context.part(_JUDGED, _LOCALISED))
        context.report(_LOCALISED, "Writing the report")
        seconds = time.perf_counter() - started
        made = Made(ground, card, inputs.digests, tuple(state.history), judgement, found, device, seconds)
        page = write_report(made, folder)
    shutil.rmtree(ground.work, ignore_errors=True)
    context.report(1.0, "Done")
    return TrainingOutcome(Path(plan.out), page, judgement, tuple(state.history), (headline(made), *_notes(made)))


def _require_unfinished(plan: TrainingPlan) -> None:
    """Going on from nothing would replace what an earlier training has finished."""
    if is_finished(plan) and not is_stopped(plan):
        raise UserError(
            "This training is finished: its package is there, and there is nothing to go on from.",
            "Choose another folder for the package, or train anew without resuming.",
        )


def _fitted(
    ground: Ground, inputs: Inputs, device: str, resume: bool, on_epoch: OnEpoch, say: Say, context: RunContext
) -> Checkpoint:
    from saliency_viewer.training.loop import Material, Surroundings, fit

    settings = ground.plan.settings
    training = ground.cases("training")
    weights = class_weights(ground.data, training, settings.class_weights)
    material = Material(inputs, ground.labels, weights, training, ground.cases("validation"))
    if not resume:
        forget_stopped(ground.plan)
    around = Surroundings(ground.work / CHECKPOINT, plan_record(ground, inputs.digests), on_epoch, say, resume)
    return fit(ground.module, material, settings, device, around, context)


def _judged(
    ground: Ground, inputs: Inputs, state: Checkpoint, device: str, context: RunContext
) -> tuple[State, Judgement]:
    """The package's weights and what they are worth; the calibration is in them before anything is judged."""
    from saliency_viewer.training.judgement import judge
    from saliency_viewer.training.temperature import fitted_temperature, folded

    network, settings = ground.network, ground.plan.settings
    weights = state.best
    validation = _answers(ground, inputs, weights, "validation", device, context.part(0.0, 0.3))
    temperature = fitted_temperature(validation.logits, validation.labels)
    if settings.calibrate:
        weights = folded(weights, network.head, temperature)
        validation = _answers(ground, inputs, weights, "validation", device, context.part(0.3, 0.5))
    test = None
    if ground.cases("test"):
        test = _answers(ground, inputs, weights, "test", device, context.part(0.5, 1.0))
    judgement = judge(ground.data.classes, validation, test, temperature, settings.calibrate)
    kept = {
        key: value for key, value in weights.items() if not (network.auxiliary and key.startswith(network.auxiliary))
    }
    return kept, judgement


def _answers(ground: Ground, inputs: Inputs, weights: State, name: str, device: str, context: RunContext) -> Answers:
    from saliency_viewer.training.judgement import answers_for
    from saliency_viewer.training.predictions import logits_of

    cases = ground.cases(name)
    ground.module.load_state_dict(weights)
    context.report(0.0, f"Judging the {name} cases")
    logits = logits_of(ground.module.to(device), inputs, cases, ground.plan.settings.batch_size, device, context)
    return answers_for(logits, ground.labels, ground.patients, cases)


def _finished_card(card: ModelCard, judgement: Judgement) -> ModelCard:
    threshold = None if judgement.threshold is None else float(f"{judgement.threshold:.6g}")
    return replace(card, output=replace(card.output, threshold=threshold), training_cases=_TRAINING_CASES)


def _training_cases(ground: Ground, inputs: Inputs) -> bytes:
    """Digests of the decoded images that training or its choices have seen, so that explaining one can say so."""
    seen = (*ground.cases("training"), *ground.cases("validation"))
    return case_table(inputs.digests[case] for case in seen).encode()


def _notes(made: Made) -> Iterator[str]:
    found = made.localisation
    if found is not None and found.means["pointing_hit"]["mean"] is not None:
        hit = found.means["pointing_hit"]
        yield (
            f"In {hit['mean']:.0%} of {hit['cases']} held-out cases Grad-CAM's highest value lies in the "
            f"{found.finding} ({hit['chance']:.0%} by chance)."
        )
    listed = cohort_file(made.ground.plan).name
    yield (
        f"{listed}, beside the package, lists the held-out cases for 'batch', with the paths of your images; the "
        "package itself holds none."
    )
