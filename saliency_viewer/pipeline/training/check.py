"""A dry run: read the data, try one batch, and say what a training would take, before hours are spent."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.domain import TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.hashing import image_hash
from saliency_viewer.pipeline.threads import compute_threads
from saliency_viewer.pipeline.training.ground import SPLITS, Ground, lay_ground
from saliency_viewer.pipeline.training.place import free_bytes, is_finished, is_stopped
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.devices import choose_device
from saliency_viewer.runtime.memory import peak_bytes
from saliency_viewer.training.datasets import class_weights, summary

if TYPE_CHECKING:
    from saliency_viewer.training.inputs import Inputs

_LAID, _PREPARED = 0.7, 0.8
Say = Callable[[str], None]

# Of the weights: last, best and two moments of the optimiser, twice while a checkpoint is replaced, and the package.
_COPIES = 9
_STEPS = 3  # the first also pays for what is set up once


def check_training(plan: TrainingPlan, context: RunContext | None = None) -> list[str]:
    """Sentences about the data and about the time and memory that an epoch will take. Nothing stays on the disk.

    Raises :class:`UserError` for whatever would stop the training now or in its first steps.
    """
    context = context or RunContext()
    with compute_threads(plan.threads), tempfile.TemporaryDirectory(prefix="saliency-viewer-check-") as folder:
        device = choose_device(plan.device)
        ground = lay_ground(plan, context.part(0.0, _LAID))
        said = [*_about(ground), *ground.warnings]
        if is_stopped(plan):
            said.append("A stopped training for this package is kept: --resume goes on with it, --anew replaces it.")
        elif is_finished(plan):
            said.append("A finished package is there already: --anew replaces it.")
        said += _tried(ground, Path(folder), device, context.part(_LAID, 1.0))
    context.report(1.0, "Done")
    return said


def _about(ground: Ground) -> Iterator[str]:
    for name in SPLITS:
        yield f"{name.capitalize()}: {summary(ground.data, ground.cases(name))}."
    spec = ground.card.input
    size = " x ".join(map(str, spec.size))
    weights = sum(one.numel() for one in ground.module.parameters())
    yield f"{ground.network.label}: {weights:,} parameters, input {spec.channels} x {size}."
    yield f"Preprocessing: {', '.join(str(step['step']) for step in spec.intensity)}, then {spec.fit}."


def _tried(ground: Ground, folder: Path, device: str, context: RunContext) -> Iterator[str]:
    """One batch forward and backward, as often as a time needs to be believed."""
    from saliency_viewer.training.inputs import prepare_inputs

    settings = ground.plan.settings
    chosen = ground.cases("training")[: settings.batch_size]
    cases = [ground.data.cases[case] for case in chosen]
    start = time.perf_counter()
    inputs = prepare_inputs(cases, ground.card.input, folder, image_hash, ground.plan.threads, context.part(0.0, 0.5))
    reading = (time.perf_counter() - start) / len(cases)
    if inputs.failures:
        error = next(iter(inputs.failures.values()))
        raise UserError(f"An image cannot be used: {error.message}", error.hint, error.detail)
    words: list[str] = []
    labels = [case.label for case in cases]
    step = _step_seconds(ground, inputs, labels, device, words.append, context.part(0.5, 1.0))
    everything = sum(len(ground.cases(name)) for name in SPLITS)
    size = sum((folder / name).stat().st_size for name in inputs.files) / len(cases)
    epoch = step * len(ground.cases("training")) + step / 3 * len(ground.cases("validation"))
    _require_room(ground, size * everything)
    yield from words
    yield (
        f"Preparing all images once: about {_duration(reading * everything)} and {_bytes(size * everything)} of disk, "
        "which are free again at the end."
    )
    yield f"An epoch on {device}: about {_duration(epoch)}; {settings.epochs} epochs at most."
    most = _memory(device)
    if most is not None:
        yield f"Memory: {_bytes(most)} at most with a batch of {settings.batch_size}."


def _step_seconds(
    ground: Ground, inputs: Inputs, labels: Sequence[int], device: str, say: Say, context: RunContext
) -> float:
    """Seconds that a step of the optimiser takes for each case; the weights do not change."""
    import torch

    from saliency_viewer.training.augmentation import augmented
    from saliency_viewer.training.step import Stepper

    settings = ground.plan.settings
    weights = class_weights(ground.data, ground.cases("training"), settings.class_weights)
    stepper = Stepper(ground.module.to(device).train(), torch.tensor(weights), settings, device, say)
    cases = range(len(labels))
    taken = []
    for number in range(_STEPS):
        start = time.perf_counter()
        values = augmented(inputs.load(cases).to(device), cases, settings.seed, number, settings.augment)
        stepper.step(values, torch.tensor(labels), 0.0, context)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
        context.report((number + 1) / _STEPS, "Trying a batch")
    return min(taken) / len(labels)


def _require_room(ground: Ground, images: float) -> None:
    """Raise :class:`UserError` when the disk will not hold the prepared ``images`` (bytes) and the weights."""
    weights = sum(one.numel() * one.element_size() for one in ground.module.state_dict().values())
    needed, free = images + _COPIES * weights, free_bytes(ground.plan)
    if free < needed:
        raise UserError(
            f"The training needs about {_bytes(needed)} on the disk of its package, where {_bytes(free)} are free.",
            "Free some space, choose another disk, or a smaller size.",
        )


def _memory(device: str) -> int | None:
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated())
    return peak_bytes()


def _bytes(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{max(count / 2**20, 1):.0f} MiB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
