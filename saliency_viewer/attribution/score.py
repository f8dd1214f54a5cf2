"""The scalar f that is explained, as a function of whatever the network returns."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from saliency_viewer.domain import ScoreTarget
from saliency_viewer.errors import UserError

_NAMES = ("logits", "out", "output")


@dataclass(frozen=True)
class Score:
    """One target for each sample of a batch. ``indices`` and ``signs`` are (N,)."""

    indices: tuple[int, ...]
    sign: float = 1.0
    log_odds: bool = False

    @classmethod
    def of(cls, target: int | Sequence[int] | ScoreTarget, samples: int) -> Score:
        """Normalise what the caller gave; raises :class:`UserError` when counts differ."""
        if isinstance(target, ScoreTarget):
            return cls((target.index,) * samples, target.sign, target.log_odds)
        indices = _indices(target, samples)
        if len(indices) != samples:
            raise UserError(f"{len(indices)} targets were given for {samples} inputs.", "Give one target, or one each.")
        return cls(indices)

    def select(self, outputs: Tensor, rows: Sequence[int]) -> Tensor:
        """(len(rows),): the target's raw output; ``outputs`` row k belongs to sample ``rows[k]``."""
        wanted = [self.indices[row] for row in rows]
        for index in wanted:
            if not 0 <= index < outputs.shape[1]:
                raise UserError(
                    f"Target {index} is no output of this network, which has {outputs.shape[1]}.",
                    f"Choose a target from 0 to {outputs.shape[1] - 1}.",
                )
        return outputs[torch.arange(len(rows), device=outputs.device), torch.tensor(wanted, device=outputs.device)]

    def value(self, selected: Tensor) -> Tensor:
        """The score f of the selected raw outputs, (N,)."""
        if self.log_odds:
            selected = torch.logit(selected, eps=torch.finfo(selected.dtype).eps)
        return self.sign * selected


def _indices(target: int | Sequence[int], samples: int) -> tuple[int, ...]:
    try:
        one = hasattr(target, "__index__") and getattr(target, "ndim", 0) == 0  # tensors and arrays have it too
        wanted: Sequence[Any] = [target] * samples if one else list(cast(Sequence[Any], target))
        return tuple(map(operator.index, wanted))
    except TypeError as error:
        raise UserError(
            f"The target is a {type(target).__name__}, which is no index of an output.",
            "Give a whole number, the first output being 0, or one for each input.",
        ) from error


def output_of(returned: Any) -> Any:
    """The tensor of scores in what a network returned, as it is there."""
    if isinstance(returned, Tensor):
        return returned
    if isinstance(returned, dict):
        return next((returned[name] for name in _NAMES if name in returned), None)
    found = getattr(returned, "logits", None)
    if found is None and isinstance(returned, (tuple, list)) and returned:
        found = returned[0]
    return found


def logits_of(returned: Any, samples: int) -> Tensor:
    """The (N, outputs) tensor in what a network returned; raises :class:`UserError` when there is none."""
    found = output_of(returned)
    if isinstance(found, Tensor) and found.ndim == 1 and found.shape[0] == samples:
        found = found[:, None]
    if not isinstance(found, Tensor) or found.ndim != 2 or found.shape[0] != samples:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise UserError(
            "The network does not return one row of class scores for each input.",
            "Wrap it in a module that returns a (batch, classes) tensor.",
            f"returned {shape}",
        )
    return found
