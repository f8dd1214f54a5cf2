"""From a program that was read to the network that is explained: the same for every kind of file."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.agreement import agree
from saliency_viewer.models.programs.batch import any_batch, example
from saliency_viewer.models.programs.block import Block, build_tree
from saliency_viewer.models.programs.faults import MISTAKES, cannot_run
from saliency_viewer.models.programs.fusing import fused
from saliency_viewer.models.programs.room import require_room_for
from saliency_viewer.models.programs.steady import require_steady
from saliency_viewer.models.programs.steps import Program, Scope, Step, leaves, mapped
from saliency_viewer.models.programs.training import refuse_training
from saliency_viewer.models.sound_tensors import in_float32, refuse_no_numbers

_DEEPEST = 100  # modules in each other
_HALF = (torch.float16, torch.bfloat16)
_NO_LAYERS = frozenset({"getitem", "sym_size", "mul", "add", "sub", "floordiv"})  # numbers, and parts of outputs


class NeedsDouble(UserError):  # noqa: N818 - what is wrong with the program
    """What a program computes in double precision comes out otherwise in single."""


def finished(program: Program, shape: tuple[int, ...]) -> Block:
    """The network: float32 on the CPU, for any number of images, as a tree of modules.

    ``shape`` is that of an example, (N, ...). Raises :class:`UserError` for programs in training mode, for weights
    that are not sound, and for programs that cannot run or do not answer the same twice; :class:`NeedsDouble`.
    """
    refuse_training(program)
    _refuse_depth(program)
    steps = [_in_float32(step, (*_HALF, torch.float64)) for step in program.steps]
    single = replace(program, steps=_with_layers(steps), weights=in_float32(program.weights))
    refuse_no_numbers(single.weights)
    try:
        whole = _whole(single, shape)
        _refuse_double(program, single, shape)
        freed, only, shapes = any_batch(whole, shape)
        network = build_tree(freed, only, {key: len(sizes) for key, sizes in shapes.items()})
        return network.eval()
    except MISTAKES as error:
        raise cannot_run(shape, error) from error


def _refuse_depth(program: Program) -> None:
    """Raise :class:`UserError` for modules in modules without end, at which whoever walks through them fails."""
    deepest = max((sum(scope.path.count(".") + 1 for scope in step.scopes) for step in program.steps), default=0)
    if deepest > _DEEPEST:
        raise UserError(
            f"The program in the weights file has modules {deepest} deep in each other, which no network has.",
            "Copy or download the file again, or export the network again.",
        )


def _whole(program: Program, shape: tuple[int, ...]) -> Program:
    """The program with whole operators in place of their pieces, where it answers as before.

    Raises :class:`UserError` for programs that outgrow memory or never answer twice the same, and what torch raises.
    """
    sample = example(shape)
    written = require_steady(
        program.weights.values(),
        lambda: program.run(sample.clone()),
        lambda: program.run(sample.clone(), before=require_room_for),
    )
    whole = fused(program)
    return whole if agree(whole.run(sample.clone()), written) else program


def _refuse_double(program: Program, single: Program, shape: tuple[int, ...]) -> None:
    """Raise :class:`NeedsDouble` when the answer is another one in single precision."""
    if not _is_double(program):
        return
    weights = {name: weight.float() if weight.dtype in _HALF else weight for name, weight in program.weights.items()}
    double = replace(program, steps=[_in_float32(step, _HALF) for step in program.steps], weights=weights)
    sample = example(shape)
    try:
        written = double.run(sample.clone(), before=require_room_for)
    except MISTAKES:  # its weights are doubles, and so must the image be
        written = double.run(sample.double(), before=require_room_for)
    if not agree(single.run(sample), mapped(written, _rounded)):
        raise NeedsDouble(
            "The program computes in double precision, and what it says depends on it; here all is computed in single.",
            "Export the network after network.float(), from a forward that converts nothing to double.",
        )


def _is_double(program: Program) -> bool:
    asked = any(leaf is torch.float64 for step in program.steps for leaf in leaves((step.args, step.kwargs)))
    return asked or any(weight.dtype == torch.float64 for weight in program.weights.values())


def _rounded(leaf: Any) -> Any:
    return leaf.float() if isinstance(leaf, Tensor) and leaf.dtype == torch.float64 else leaf


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


def _in_float32(step: Step, others: tuple[torch.dtype, ...]) -> Step:
    """Computing is in float32: a program converts to the ``others``, in which its weights were saved."""
    args, kwargs = mapped((step.args, step.kwargs), lambda leaf: _single(leaf, others))
    return replace(step, args=args, kwargs=kwargs)


def _single(leaf: Any, others: tuple[torch.dtype, ...]) -> Any:
    return torch.float32 if isinstance(leaf, torch.dtype) and leaf in others else leaf
