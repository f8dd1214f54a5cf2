"""Epoch after epoch: train, judge on the validation cases, keep the best weights, write a checkpoint.

A loop of our own, since the libraries that offer one (Lightning, MONAI's engines on Ignite) bring more packages into
an offline installation than the lines they would save, pickle their checkpoints, and cannot stop between two operators.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saliency_viewer.domain import EpochFigures, TrainingSettings
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.seeds import derived_seed
from saliency_viewer.training.augmentation import augmented
from saliency_viewer.training.batches import batch_count, loaded, shuffled
from saliency_viewer.training.checkpoint import (
    Checkpoint,
    copied,
    moments_of,
    read_checkpoint,
    restore_moments,
    write_checkpoint,
)
from saliency_viewer.training.inputs import Inputs
from saliency_viewer.training.metrics import Labels, macro_auc
from saliency_viewer.training.normalisation import refresh_statistics
from saliency_viewer.training.predictions import logits_of, softmax
from saliency_viewer.training.schedule import one_cycle
from saliency_viewer.training.step import Say, Stepper, not_a_number

if TYPE_CHECKING:
    from torch import nn

_TRAINED = 0.85  # share of an epoch's time before its validation

OnEpoch = Callable[[EpochFigures], None]


@dataclass(frozen=True, eq=False)
class Material:
    """What is trained on: prepared inputs, (cases,) class indices, (classes,) weights in the loss, and two splits."""

    inputs: Inputs
    labels: Labels
    weights: tuple[float, ...]
    training: tuple[int, ...]
    validation: tuple[int, ...]


@dataclass(frozen=True)
class Surroundings:
    """What a training has around it: where its checkpoint goes, and who hears of epochs and of trouble.

    ``plan`` is what must be the same for an interrupted training to be gone on with.
    """

    checkpoint: Path
    plan: Mapping[str, Any]
    on_epoch: OnEpoch
    say: Say
    resume: bool = False  # from the checkpoint, where there is one


def fit(
    network: nn.Module,
    material: Material,
    settings: TrainingSettings,
    device: str,
    around: Surroundings,
    context: RunContext,
) -> Checkpoint:
    """Train ``network`` in place until the epochs are over or patience is; the best weights are in the result.

    Raises :class:`Cancelled` within an operator of the wish; the checkpoint is then that of the last whole epoch.
    Raises :class:`UserError` for a loss that is not a number, a full disk, or memory too small for one case.
    """
    run = _Run(network.to(device), material, settings, device, around)
    state = run.begun()
    for figures in state.history:
        around.on_epoch(figures)
    while not state.finished:
        epoch = state.epoch + 1
        share = context.part((epoch - 1) / settings.epochs, epoch / settings.epochs, f"Epoch {epoch}")
        figures = run.epoch(epoch, state, share)
        run.keep(figures, state)
        around.on_epoch(figures)
    return state


class _Run:
    """One training with everything that stays the same from epoch to epoch."""

    def __init__(
        self,
        network: nn.Module,
        material: Material,
        settings: TrainingSettings,
        device: str,
        around: Surroundings,
    ) -> None:
        import torch

        self._network = network
        self._material = material
        self._settings = settings
        self._device = device
        self._around = around
        self._weights = torch.tensor(material.weights, dtype=torch.float32)
        self._stepper = Stepper(network, self._weights, settings, device, around.say)
        self._labels = torch.from_numpy(material.labels)
        self._steps = settings.epochs * batch_count(len(material.training), settings.batch_size)

    def begun(self) -> Checkpoint:
        """The state to go on from: a new one, or the checkpoint's."""
        if not (self._around.resume and self._around.checkpoint.exists()):
            return Checkpoint(self._around.plan, {}, {}, {})
        state = read_checkpoint(self._around.checkpoint, self._around.plan)
        self._network.load_state_dict(state.network)
        restore_moments(self._stepper.optimiser, state.moments)
        self._stepper.parts = state.parts
        self._stepper.scaler.load_state_dict(dict(state.scaler))
        return state

    def epoch(self, epoch: int, state: Checkpoint, context: RunContext) -> EpochFigures:
        """Train once over all cases and judge the outcome on the validation cases."""
        start = time.perf_counter()
        with seeded(derived_seed(self._settings.seed, "epoch", epoch), self._device):
            training_loss, rate = self._trained(epoch, context.part(0.0, _TRAINED))
        validation_loss, area = self._judged(context.part(_TRAINED, 1.0))
        return EpochFigures(
            epoch=epoch,
            epochs=self._settings.epochs,
            training_loss=training_loss,
            validation_loss=validation_loss,
            validation_auc=area,
            learning_rate=rate,
            seconds=time.perf_counter() - start,
            best=_is_better(area, validation_loss, state.history),
        )

    def keep(self, figures: EpochFigures, state: Checkpoint) -> None:
        """Enter the epoch into ``state`` and write it."""
        state.history.append(figures)
        state.network = copied(self._network)
        if figures.best:
            state.best = state.network
        state.moments = moments_of(self._stepper.optimiser)
        state.parts = self._stepper.parts
        state.scaler = self._stepper.scaler.state_dict()
        state.finished = figures.epoch >= figures.epochs or _is_stale(state.history, self._settings.patience)
        write_checkpoint(state, self._around.checkpoint)

    def _trained(self, epoch: int, context: RunContext) -> tuple[float, float]:
        """Mean loss over the cases, and the last learning rate."""
        settings = self._settings
        batches = shuffled(self._material.training, settings.batch_size, settings.seed, epoch)
        self._network.train()
        losses, rate = [], 0.0
        for number, (cases, values) in enumerate(loaded(self._material.inputs, batches)):
            rate = one_cycle((epoch - 1) * len(batches) + number, self._steps, settings.learning_rate)
            inputs = augmented(values.to(self._device), cases, settings.seed, epoch, settings.augment)
            losses.append(self._stepper.step(inputs, self._labels[list(cases)], rate, context))
            context.report((number + 1) / len(batches), f"loss {losses[-1]:.3f}")
        return float(np.average(losses, weights=[len(batch) for batch in batches])), rate

    def _judged(self, context: RunContext) -> tuple[float, float]:
        """Loss, weighted as in training, and macro average of the areas under the ROC curves."""
        material = self._material
        batch = max(1, self._settings.batch_size // self._stepper.parts)
        refresh_statistics(self._network, material.inputs, material.training, batch, self._device, context)
        logits = logits_of(self._network, material.inputs, material.validation, batch, self._device, context)
        labels = material.labels[list(material.validation)]
        shifted = logits - logits.max(axis=1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
        loss = float(np.average(losses, weights=self._weights.numpy()[labels]))
        if not math.isfinite(loss):
            raise not_a_number()
        return loss, macro_auc(softmax(logits), labels)


def _is_better(area: float, loss: float, history: list[EpochFigures]) -> bool:
    """A larger area, or the same (small sets reach 1 soon) with a smaller loss."""
    best = next((figures for figures in reversed(history) if figures.best), None)
    return best is None or (area, -loss) > (best.validation_auc, -best.validation_loss)


def _is_stale(history: list[EpochFigures], patience: int) -> bool:
    """Whether the last ``patience`` epochs brought no larger area."""
    if not patience or len(history) <= patience:
        return False
    before, after = history[:-patience], history[-patience:]
    return max(one.validation_auc for one in after) <= max(one.validation_auc for one in before)


@contextmanager
def seeded(seed: int, device: str) -> Iterator[None]:
    """Dropout and stochastic depth draw from ``seed``; torch's random state comes back afterwards."""
    import torch

    devices = [torch.cuda.current_device()] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
