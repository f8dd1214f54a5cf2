"""A small training loop for classifiers on pairs: the same patient without and with a finding."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_LOG = logging.getLogger(__name__)

Augment = Callable[[Tensor, torch.Generator], Tensor]
_SMOOTHING = 0.02  # of labels; keeps logits from growing without end on an easy task


@dataclass(frozen=True)
class PairPlan:
    """How to train: AdamW with a one-cycle learning rate; ``batch_size`` counts samples, two for each pair."""

    epochs: int = 14
    batch_size: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs (N, C, *spatial) float32 and class indices (N,) int64; rows 2k and 2k + 1 are one patient's pair."""

    inputs: Tensor
    labels: Tensor


def train(network: nn.Module, samples: Samples, plan: PairPlan, augment: Augment | None = None) -> None:
    """Train ``network`` in place; it is left in evaluation mode.

    Both members of a pair go into the same batch and through the same augmentation, so that only the finding
    tells them apart: on phantoms whose anatomy varies far more than the finding, learning otherwise hardly starts.
    """
    random = torch.Generator().manual_seed(plan.seed)
    optimiser = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    pairs, pairs_each = len(samples.labels) // 2, max(1, plan.batch_size // 2)
    steps = plan.epochs * -(-pairs // pairs_each)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=steps, pct_start=0.2)
    network.train()
    begin = time.monotonic()
    for epoch in range(plan.epochs):
        losses = []
        for chosen in torch.split(torch.randperm(pairs, generator=random), pairs_each):
            rows = torch.stack([2 * chosen, 2 * chosen + 1], 1).flatten()
            inputs = samples.inputs[rows] if augment is None else augment(samples.inputs[rows], random)
            loss = nn.functional.cross_entropy(network(inputs), samples.labels[rows], label_smoothing=_SMOOTHING)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        _LOG.info("epoch %d: loss %.4f, %.0f s", epoch + 1, sum(losses) / len(losses), time.monotonic() - begin)
    network.eval()
