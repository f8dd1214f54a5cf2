"""Programs that give another answer each time: exported in training mode, or with random numbers in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.steps import Program, Step

# Where operators are told to train, by position and name; dropout is counted from torch.dropout(input, p, train).
_TOLD = {
    "batch_norm": (5, "training"),
    "dropout": (2, "train"),
    "feature_dropout": (2, "train"),
    "alpha_dropout": (2, "train"),
    "feature_alpha_dropout": (2, "train"),
    "rrelu": (3, "training"),
    "scaled_dot_product_attention": (4, "dropout_p"),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), (6, "train")),
}
_UPDATING = frozenset({"native_batch_norm_legit", "native_batch_norm", "batch_norm_with_update"})


def refuse_training(program: Program) -> None:
    """Raise :class:`UserError` where an operator on the way from the image trains, or any draws random numbers.

    Weights may be standardised by an operator that trains.
    """
    of_image = {value.key for value in program.inputs}
    for step in program.steps:
        given = {value.key for value in step.values()}
        if given & of_image:
            of_image.add(step.result.key)
        trains = _trains(step.name, step.args, step.kwargs) and (given & of_image or not given)
        if trains or is_random(step.function, step.args, step.kwargs):
            raise other_each_time(step)


def is_random(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether an operator of torch draws random numbers, as it is called here."""
    name = Step(function, ()).name
    packet = getattr(torch.ops.aten, name, None)
    known = function if hasattr(function, "tags") or packet is None else getattr(packet, packet.overloads()[0])
    if torch.Tag.nondeterministic_seeded not in getattr(known, "tags", ()):
        return False
    return name not in _TOLD or _trains(name, args, kwargs)


def other_each_time(step: Step) -> UserError:
    """What is said of them."""
    return UserError(
        f"The network was exported in training mode: its '{step.name}' gives another answer each time, or for "
        "every batch.",
        "Export it again after network.eval().",
    )


def _trains(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    if name in _UPDATING:
        return True
    position, key = _TOLD.get(name, (0, ""))
    told = args[position] if key and len(args) > position else kwargs.get(key)
    return bool(told) and not (name.endswith("dropout") and tuple(args[1:2]) == (0.0,))
