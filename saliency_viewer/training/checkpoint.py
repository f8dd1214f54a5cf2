"""A training's whole state after an epoch, in one file that holds tensors and text and can run nothing.

Random numbers need no place in it: order, augmentation and dropout of an epoch follow from the seed and the epoch's
number, so an epoch that is done again gives what it gave.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saliency_viewer.domain import EpochFigures
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

_VERSION = 1
_META = "training"
_NETWORK, _BEST, _OPTIMISER = "network.", "best.", "optimiser."
_OF_ANOTHER = "Train with the settings that it began with, or start anew (--anew)."

State = dict[str, "Tensor"]


@dataclass
class Checkpoint:
    """What an epoch leaves for the next.

    ``plan`` is what must be the same for the training to go on; ``network`` the last weights, ``best`` those of the
    best epoch so far; ``moments`` the optimiser's tensors by "parameter.name"; ``parts`` how often batches are cut.
    """

    plan: Mapping[str, Any]
    network: State
    best: State
    moments: State
    history: list[EpochFigures] = field(default_factory=list)
    parts: int = 1
    scaler: Mapping[str, Any] = field(default_factory=dict)
    finished: bool = False

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)


def copied(network: nn.Module) -> State:
    """A copy of a network's weights on the CPU."""
    return {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def moments_of(optimiser: Optimizer) -> State:
    """A copy of what the optimiser remembers, on the CPU."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": value.detach().cpu().clone() for index, one in state.items() for name, value in one.items()
    }


def restore_moments(optimiser: Optimizer, moments: State) -> None:
    """Put back what :func:`moments_of` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in moments.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Replace the file at ``path`` as a whole; raises :class:`UserError` when the disk refuses."""
    from safetensors.torch import save_file

    last_is_best = bool(checkpoint.history) and checkpoint.history[-1].best
    tensors = {
        prefix + key: value.contiguous()
        for prefix, state in (
            (_NETWORK, checkpoint.network),
            (_BEST, {} if last_is_best else checkpoint.best),
            (_OPTIMISER, checkpoint.moments),
        )
        for key, value in state.items()
    }
    about = {
        "version": _VERSION,
        "plan": dict(checkpoint.plan),
        "history": [figures.to_dict() for figures in checkpoint.history],
        "parts": checkpoint.parts,
        "scaler": dict(checkpoint.scaler),
        "finished": checkpoint.finished,
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {_META: json.dumps(about)})


def read_checkpoint(path: Path, plan: Mapping[str, Any] | None = None) -> Checkpoint:
    """The checkpoint at ``path``; with ``plan``, only one of the same plan.

    Raises :class:`UserError` when there is none, it is damaged, or it belongs to another plan, naming what differs.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[_META])
            if about["version"] != _VERSION:
                raise UserError("The checkpoint was written by another version of the program.", _OF_ANOTHER)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
        history = [EpochFigures(**figures) for figures in about["history"]]
        network, best, moments = (_part(tensors, prefix) for prefix in (_NETWORK, _BEST, _OPTIMISER))
        best = network if history and history[-1].best else best
        found = Checkpoint(
            about["plan"], network, best, moments, history, int(about["parts"]), about["scaler"], about["finished"]
        )
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            "The checkpoint is damaged, or is none of this program.", _OF_ANOTHER, type(error).__name__
        ) from error
    if plan is not None:
        _require_same(found.plan, plan)
    return found


def _part(tensors: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _require_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    wanted = json.loads(json.dumps(dict(new)))  # as it comes back from the file
    differing = [key for key in wanted if old.get(key) != wanted[key]]
    if differing:
        first = differing[0]
        shown = f" ({old.get(first)} then, {wanted[first]} now)" if len(str(wanted[first])) < 40 else ""
        raise UserError(f"The interrupted training differs in {first.replace('_', ' ')}{shown}.", _OF_ANOTHER)
