"""A small training loop for classifiers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_LOG = logging.getLogger(__name__)

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: AdamW with a one-cycle learning rate.

    ``evidence`` weighs the loss of :func:`misplaced_evidence`.
    """

    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    evidence: float = 0.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs (N, C, *spatial) float32, class indices (N,) int64, masks (N, 1, *spatial) of what is evidence."""

    inputs: Tensor
    labels: Tensor
    masks: Tensor


def misplaced_evidence(features: Tensor, head: nn.Linear, masks: Tensor, labels: Tensor) -> Tensor:
    """Share of the positive class activation map that lies off the known lesion, averaged over lesion cases.

    The map is that of Zhou et al. (CVPR 2016) for the difference of the last and the first class. Training on
    it keeps a network from answering by chance correlates of the lesion; 0 when no sample has a lesion.

    Parameters
    ----------
    features:
        (N, C, *grid), what the global average pooling gets.
    masks:
        (N, 1, *spatial), 1 on the lesion.
    """
    chosen = labels > 0
    if not bool(chosen.any()):
        return features.sum() * 0
    weights = head.weight[-1] - head.weight[0]
    maps = torch.relu(torch.einsum("nc...,c->n...", features[chosen], weights))
    pool = nn.functional.adaptive_max_pool2d if maps.ndim == 3 else nn.functional.adaptive_max_pool3d
    inside = pool(masks[chosen], maps.shape[1:])[:, 0] > 0.25
    total = maps.flatten(1).sum(1) + 1e-6
    share: Tensor = 1 - ((maps * inside).flatten(1).sum(1) / total)
    return share.mean()


def train(network: nn.Module, samples: Samples, plan: TrainingPlan, augment: Augment | None = None) -> None:
    """Train ``network`` (with ``features`` and a linear ``head``) in place; it is left in evaluation mode."""
    random = torch.Generator().manual_seed(plan.seed)
    optimiser = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    per_epoch = -(-len(samples.labels) // plan.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.learning_rate, total_steps=plan.epochs * per_epoch)
    network.train()
    begin = time.monotonic()
    for epoch in range(plan.epochs):
        losses = []
        order = torch.randperm(len(samples.labels), generator=random)
        for chosen in torch.split(order, plan.batch_size):
            inputs, masks = samples.inputs[chosen], samples.masks[chosen]
            if augment is not None:
                inputs, masks = augment(inputs, masks, random)
            loss = _loss(network, Samples(inputs, samples.labels[chosen], masks), plan.evidence)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        _LOG.info("epoch %d: loss %.4f, %.0f s", epoch + 1, sum(losses) / len(losses), time.monotonic() - begin)
    network.eval()


def _loss(network: nn.Module, batch: Samples, evidence: float) -> Tensor:
    features: Tensor = network.get_submodule("features")(batch.inputs)
    head = network.get_submodule("head")
    if not isinstance(head, nn.Linear):
        raise TypeError("the loop needs a network with a linear head")
    loss = nn.functional.cross_entropy(head(features.flatten(2).mean(2)), batch.labels, label_smoothing=0.02)
    if evidence:
        loss = loss + evidence * misplaced_evidence(features, head, batch.masks, batch.labels)
    return loss
