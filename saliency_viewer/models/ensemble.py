"""Several networks of one card, trained on different parts of the same cases, that answer together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Fold, ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.models.card import ALL_FOLDS
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.prepared import Preparation
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from torch import nn


class Ensemble(Classifier):
    """Answers with the mean of its members' logits; ``network`` is that mean as one torch module."""

    def __init__(self, members: Sequence[Classifier]) -> None:
        first = members[0]
        digest = hashlib.sha256("".join(member.model_hash for member in members).encode()).hexdigest()
        network = _mean_of([member.network for member in members], first.card.output.activation == "none")
        super().__init__(first.card, network, digest, first.device, ALL_FOLDS, first.doubts)
        self._members = tuple(members)

    @property
    def members(self) -> tuple[Classifier, ...]:
        """The folds."""
        return self._members

    @cached_property
    def outputs(self) -> int:
        """Number of outputs, which is the same for every fold; raises :class:`UserError` when it is not."""
        counts = {member.fold: member.outputs for member in self._members}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise UserError(
                f"The folds of this ensemble have different numbers of outputs: {listed}.",
                "Put networks of one training into an ensemble.",
            )
        return self._members[0].outputs

    def logits(self, preparation: Preparation, context: RunContext, batch_size: int) -> NDArray[np.float64]:
        """(slices, classes): the mean over the folds."""
        count = len(self._members)
        parts = [context.part(k / count, (k + 1) / count) for k in range(count)]
        single = [m.logits(preparation, part, batch_size) for m, part in zip(self._members, parts, strict=True)]
        return np.asarray(np.mean(single, axis=0))


def chosen_folds(card: ModelCard, fold: str) -> tuple[Fold, ...]:
    """The folds to load: one, or all for "mean" and without a wish; a network alone has one without a name.

    Raises :class:`UserError` when there is no such fold.
    """
    if not card.folds:
        if fold:
            raise UserError("This model is a single network, without folds.", "Leave the choice of a fold out.")
        return (Fold("", card.weights),)
    if fold in ("", ALL_FOLDS):
        return card.folds
    names = [one.name for one in card.folds]
    if fold not in names:
        raise UserError(f"The ensemble has no fold '{fold}'.", near_match(fold, [*names, ALL_FOLDS]))
    return (card.folds[names.index(fold)],)


def _mean_of(networks: Sequence[nn.Module], ends_in_probabilities: bool) -> nn.Module:
    """The networks as one; of probabilities the log-odds are averaged."""
    import torch

    class Mean(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.folds = torch.nn.ModuleList(networks)

        def forward(self, x: Any) -> Any:
            outputs = torch.stack([fold(x) for fold in self.folds])
            if ends_in_probabilities:
                return torch.special.expit(torch.logit(outputs, eps=1e-7).mean(0))
            return outputs.mean(0)

    return Mean().eval()
