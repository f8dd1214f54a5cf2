"""Operators that a file holds in pieces, put together again.

Older formats have no GELU, SiLU or layer normalisation, and exporters write what they are made of. Rules and class
activation maps know the whole ones, and give the original network's maps only then.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch.nn import functional

from saliency_viewer.models.programs.steps import Program, Step, Value, Weight, keys_in

_NEAR = 1e-3  # relative: files write square roots with few digits


def fused(program: Program) -> Program:
    """The program with whole operators, and without steps that nothing needs.

    In programs that write in place values change between operators, and those stay as they are.
    """
    if any(_writes(step) for step in program.steps):
        return replace(program, steps=_needed(program.steps, keys_in(program.output)))
    fusion = _Fusion(program)
    for position, step in enumerate(program.steps):
        for pattern in _PATTERNS:
            found = pattern(fusion, step)
            if found is not None:
                step = found
        fusion.put(position, step)
    return replace(program, steps=_needed(fusion.steps, keys_in(program.output)))


def _writes(step: Step) -> bool:
    name = str(getattr(step.function, "__name__", "")).split(".")[0]
    return (name.endswith("_") and not name.endswith("__")) or name in ("setitem", "copy")


def _needed(steps: list[Step], wanted: set[int]) -> list[Step]:
    """Steps on the way to the wanted values, and those that write into others."""
    wanted = set(wanted)
    found: list[Step] = []
    for step in reversed(steps):
        if step.result.key in wanted or _writes(step):
            found.append(step)
            wanted.update(value.key for value in step.values())
    return found[::-1]


class _Fusion:
    """The steps so far, and who made what."""

    def __init__(self, program: Program) -> None:
        self.steps = list(program.steps)
        self.program = program
        self._makers: dict[int, Step] = {}
        self._uses = Counter(value.key for step in program.steps for value in step.values())
        self._uses.update(keys_in(program.output))

    def put(self, position: int, step: Step) -> None:
        """The step at a position, whole or as it was."""
        self.steps[position] = step
        self._makers[step.result.key] = step

    def maker(self, value: Any, *names: str) -> Step | None:
        """The step that made a value, if it is called by one of the names."""
        step = self._makers.get(value.key) if isinstance(value, Value) else None
        return step if step is not None and (not names or step.name in names) else None

    def once(self, value: Any) -> bool:
        """Whether one step alone takes the value."""
        return isinstance(value, Value) and self._uses[value.key] == 1

    def number(self, argument: Any) -> float | None:
        """A constant of one element, None for anything else."""
        if isinstance(argument, (int, float)):
            return float(argument)
        if isinstance(argument, Weight) and self.program.weights[argument.name].numel() == 1:
            return float(self.program.weights[argument.name])
        return None

    def vector(self, argument: Any) -> Weight | None:
        """A constant along the last axis."""
        return argument if isinstance(argument, Weight) and self.program.weights[argument.name].ndim == 1 else None

    def pair(self, step: Step | None) -> tuple[Any, float] | None:
        """(operand, number) of a sum or product with a number, in either order."""
        if step is None or len(step.args) < 2 or step.kwargs:
            return None
        first, second = step.args[:2]
        number = self.number(second)
        if number is not None:
            return first, number
        number = self.number(first)
        return None if number is None or step.name in ("sub", "div") else (second, number)

    def factors(self, value: Any) -> tuple[list[Any], float]:
        """What a product consists of: operands, and one number. Products that are used elsewhere stay whole."""
        step = self.maker(value, "mul", "div")
        pair = self.pair(step)
        if step is not None and pair is not None and not (step.name == "div" and pair[1] == 0.0):
            operands, number = self.factors(pair[0]) if self.once(pair[0]) else ([pair[0]], 1.0)
            return operands, number / pair[1] if step.name == "div" else number * pair[1]
        if step is not None and step.name == "mul" and len(step.args) == 2:
            parts = [self.factors(part) if self.once(part) else ([part], 1.0) for part in step.args]
            return [operand for operands, _ in parts for operand in operands], math.prod(number for _, number in parts)
        return [value], 1.0


Pattern = Callable[[_Fusion, Step], Step | None]


def _made(step: Step, function: Callable[..., Any], *args: Any) -> Step:
    return replace(step, function=function, args=args, kwargs={})


def _silu(fusion: _Fusion, step: Step) -> Step | None:
    """X sigmoid(x), and x hardsigmoid(x)."""
    if step.name != "mul" or len(step.args) != 2:
        return None
    for given, gate in (step.args, step.args[::-1]):
        maker = fusion.maker(gate, "sigmoid", "hardsigmoid")
        if maker is not None and maker.args == (given,):
            return _made(step, functional.silu if maker.name == "sigmoid" else functional.hardswish, given)
    return None


def _hardswish(fusion: _Fusion, step: Step) -> Step | None:
    """X clamp(x + 3, 0, 6) / 6."""
    if step.name not in ("mul", "div"):
        return None
    operands, number = _own_factors(fusion, step)
    if len(operands) != 2 or not math.isclose(number, 1 / 6, rel_tol=_NEAR):
        return None
    for given, gate in (operands, operands[::-1]):
        clamp = fusion.maker(gate, "clamp", "hardtanh", "relu6")
        limits = (0.0, 6.0) if clamp is not None and clamp.name == "relu6" else tuple(clamp.args[1:3] if clamp else ())
        shifted = fusion.pair(fusion.maker(clamp.args[0], "add")) if clamp is not None else None
        if limits == (0.0, 6.0) and shifted == (given, 3.0):
            return _made(step, functional.hardswish, given)
    return None


def _gelu(fusion: _Fusion, step: Step) -> Step | None:
    """X (1 + erf(x / sqrt 2)) / 2."""
    if step.name not in ("mul", "div"):
        return None
    operands, number = _own_factors(fusion, step)
    if len(operands) != 2 or not math.isclose(number, 0.5, rel_tol=_NEAR):
        return None
    for given, gate in (operands, operands[::-1]):
        shifted = fusion.pair(fusion.maker(gate, "add"))
        error = fusion.maker(shifted[0], "erf") if shifted is not None and shifted[1] == 1.0 else None
        if error is None:
            continue
        inner, scale = fusion.factors(error.args[0])
        if inner == [given] and math.isclose(scale, math.sqrt(0.5), rel_tol=_NEAR):
            return _made(step, functional.gelu, given)
    return None


def _own_factors(fusion: _Fusion, step: Step) -> tuple[list[Any], float]:
    """Factors of a product that is not yet among the steps."""
    fusion._makers[step.result.key] = step
    return fusion.factors(step.result)


def _layer_norm(fusion: _Fusion, step: Step) -> Step | None:
    """((x - mean) / sqrt(variance + eps)) weight, over the last axis; a bias is added by the next pattern."""
    pair = _constant_operand(fusion, step, "mul")
    quotient = fusion.maker(pair[0], "div") if pair is not None else None
    if pair is None or quotient is None:
        return None
    centred = quotient.args[0]
    root = fusion.maker(quotient.args[1], "sqrt")
    shifted = fusion.pair(fusion.maker(root.args[0], "add")) if root is not None else None
    variance = fusion.maker(shifted[0], "mean") if shifted is not None else None
    square = fusion.maker(variance.args[0], "pow", "mul", "square") if variance is not None else None
    difference = fusion.maker(centred, "sub")
    if shifted is None or variance is None or square is None or difference is None:
        return None
    mean = fusion.maker(difference.args[1], "mean")
    squared = square.args == (centred, centred) or (square.args[0] == centred and fusion.pair(square) == (centred, 2.0))
    last = mean is not None and _over_last(mean) and _over_last(variance) and mean.args[0] == difference.args[0]
    if not last or not (squared or square.name == "square"):
        return None
    width = list(fusion.program.weights[pair[1].name].shape)
    if width == [1]:  # one factor for all, and not one for each value
        return None
    return _made(step, functional.layer_norm, difference.args[0], width, pair[1], None, shifted[1])


def _over_last(step: Step) -> bool:
    axes = step.args[1] if len(step.args) > 1 else step.kwargs.get("dim")
    return axes in (-1, [-1], (-1,))


def _bias(fusion: _Fusion, step: Step) -> Step | None:
    """A vector added to a linear layer or a normalisation that has no bias yet."""
    pair = _constant_operand(fusion, step, "add")
    maker = fusion.maker(pair[0], "linear", "layer_norm") if pair is not None and fusion.once(pair[0]) else None
    if pair is None or maker is None:
        return None
    place = 2 if maker.name == "linear" else 3
    if len(maker.args) > place and maker.args[place] is not None:
        return None
    width = fusion.program.weights[maker.args[place - 1].name].shape[0]
    if fusion.program.weights[pair[1].name].shape[0] != width:
        return None
    args = [*maker.args[:place], pair[1], *maker.args[place + 1 :]]
    return replace(maker, args=tuple(args), result=step.result)


def _constant_operand(fusion: _Fusion, step: Step, name: str) -> tuple[Any, Weight] | None:
    """(operand, vector) of a sum or product with a constant along the last axis."""
    if step.name != name or len(step.args) != 2 or step.kwargs:
        return None
    for given, constant in (step.args, step.args[::-1]):
        vector = fusion.vector(constant)
        if vector is not None and isinstance(given, Value):
            return given, vector
    return None


def _linear(fusion: _Fusion, step: Step) -> Step | None:
    """What torch breaks a linear layer down to: bias + x weight^T."""
    if step.name != "addmm" or step.kwargs:
        return None
    bias, given, turned = step.args
    maker = fusion.maker(turned, "permute", "t", "transpose")
    if maker is None or not isinstance(maker.args[0], Weight) or fusion.vector(bias) is None:
        return None
    return _made(step, functional.linear, given, maker.args[0], bias)


_PATTERNS: tuple[Pattern, ...] = (_linear, _silu, _hardswish, _gelu, _layer_norm, _bias)
