"""From a program that was read to the network that is explained: the same for every kind of file."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import torch

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.batch import any_batch
from saliency_viewer.models.programs.block import Block, build_tree
from saliency_viewer.models.programs.fusing import fused
from saliency_viewer.models.programs.steps import Program, Scope, Step, mapped
from saliency_viewer.models.sound_tensors import in_float32, refuse_no_numbers

_ROUNDED = (torch.float16, torch.bfloat16, torch.float64)
_RANDOM = frozenset(
    {"bernoulli", "rand", "randn", "rand_like", "randn_like", "normal", "multinomial", "native_dropout"}
)
# Where operators are told to train, by position and name; dropout is counted from torch.dropout(input, p, train).
_TRAINING = {
    "batch_norm": (5, "training"),
    "dropout": (2, "train"),
    "feature_dropout": (2, "train"),
    "alpha_dropout": (2, "train"),
    "feature_alpha_dropout": (2, "train"),
    "rrelu": (3, "training"),
}
_NO_LAYERS = frozenset(
    {"getitem", "part", "sym_size", "mul", "add", "sub", "floordiv"}
)  # numbers, and parts of outputs
_UPDATING = frozenset({"native_batch_norm_legit", "native_batch_norm", "batch_norm_with_update"})


def finished(program: Program, shape: tuple[int, ...]) -> Block:
    """The network: float32 on the CPU, for any number of images, as a tree of modules.

    ``shape`` is that of an example, (N, ...). Raises :class:`UserError` for programs in training mode, for weights
    that are not sound, and for programs that cannot run.
    """
    _refuse_training(program)
    steps = [_in_float32(step) for step in program.steps]
    single = replace(program, steps=_with_layers(steps), weights=in_float32(program.weights))
    refuse_no_numbers(single.weights)
    try:
        freed, only, shapes = any_batch(fused(single), shape)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError) as error:
        wanted = " x ".join(map(str, shape))
        raise UserError(
            f"The program in the weights file cannot run on an input of {wanted} (sample, channels, size).",
            "Check input.channels, input.size and input.order in model.toml, or export the network again.",
            f"{type(error).__name__}: {error}",
        ) from error
    network = build_tree(freed, only, {key: len(sizes) for key, sizes in shapes.items()})
    network.eval()
    return network


def _with_layers(steps: list[Step]) -> list[Step]:
    """Where the file names no modules, as frozen programs do not, every operator is one: ``conv2d_1``, ``conv2d_2``."""
    if any(step.scopes for step in steps):
        return steps
    seen: Counter[str] = Counter()
    named = []
    for step in steps:
        seen[step.name] += 1
        scopes = () if step.name in _NO_LAYERS else (Scope(f"{step.name}_{seen[step.name]}"),)
        named.append(replace(step, scopes=scopes))
    return named


def _in_float32(step: Step) -> Step:
    """Computing is always in float32: a program converts to the precision of the weights that it was saved with."""
    args, kwargs = mapped((step.args, step.kwargs), _single)
    return replace(step, args=args, kwargs=kwargs)


def _single(leaf: Any) -> Any:
    return torch.float32 if isinstance(leaf, torch.dtype) and leaf in _ROUNDED else leaf


def _refuse_training(program: Program) -> None:
    """Raise :class:`UserError` where an operator on the way from the image trains; weights may be standardised so."""
    of_image = {value.key for value in program.inputs}
    for step in program.steps:
        given = {value.key for value in step.values()}
        if given & of_image:
            of_image.add(step.result.key)
        if _trains(step) and (given & of_image or not given):
            raise UserError(
                f"The network was exported in training mode: its '{step.name}' gives another answer each time, or for "
                "every batch.",
                "Export it again after network.eval().",
            )


def _trains(step: Step) -> bool:
    name = step.name
    if name in _UPDATING or name in _RANDOM:
        return True
    position, key = _TRAINING.get(name, (0, ""))
    told = step.args[position] if key and len(step.args) > position else step.kwargs.get(key)
    return bool(told) and not (name.endswith("dropout") and step.args[1:2] == (0.0,))
