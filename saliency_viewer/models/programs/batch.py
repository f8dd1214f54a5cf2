"""Programs that were exported for a fixed number of images, made to take any number.

Exporters write the example's batch into the sizes to which tensors are reshaped. Run once as written and once with
twice the images, every step shows which axis holds the batch; that size is left open. The program so changed is used
only when it gives the same answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.agreement import close
from saliency_viewer.models.programs.faults import MISTAKES
from saliency_viewer.models.programs.steps import Program, Step, Value, leaves
from saliency_viewer.runtime.memory import require_memory

_RESHAPING = frozenset({"view", "reshape", "unsafe_view"})
_JOINING = frozenset({"cat", "concat", "concatenate"})
_TRIALS = 12  # combinations of open choices

Shapes = dict[int, tuple[int, ...]]


class _Fixed(Exception):  # noqa: N818 - no error: the program stays as it is
    """The batch cannot be left open."""


def any_batch(program: Program, shape: tuple[int, ...]) -> tuple[Program, int, Shapes]:
    """The program for any number of images, and 0; or as it is, with the only number that it takes.

    ``shape`` is that of the example with which it was exported, (N, ...). The third is the shape of every value for
    the example. Raises :class:`UserError` for programs that mix the images, and whatever the program itself does.
    """
    rows = example((2 * shape[0], *shape[1:]))
    written, before = _run(program, rows[: shape[0]])
    choices = _Choices(shape[0])
    for _ in range(_TRIALS):
        freed = _Trial(program, before, choices).proved(rows, written)
        if freed is not None:
            return freed, 0, before
        if not choices.another():
            break
    _refuse_mixing(program, rows[: shape[0]])
    return program, shape[0], before


def example(shape: tuple[int, ...]) -> Tensor:
    """Noise to ask a program about, always the same. Raises :class:`UserError` when memory does not hold it."""
    require_memory(4 * math.prod(shape), "An input of the program")
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _refuse_mixing(program: Program, rows: Tensor) -> None:
    """Raise :class:`UserError` when the first image's answer depends on those beside it, which are there by chance."""
    alone = rows[:1].expand(rows.shape).clone()
    found, other = (_tensors(program.run(one)) for one in (rows.clone(), alone))
    if not all(close(a[:1], b[:1]) for a, b in zip(found, other, strict=True) if len(a) == len(rows)):
        raise UserError(
            f"The program was made for {len(rows)} images at a time, and what it says of one depends on the others.",
            "Export the network after network.eval(), from a forward in which every image is on its own.",
        )


def _run(program: Program, inputs: Tensor) -> tuple[Any, Shapes]:
    """The output, and the shape of every value."""
    shapes: Shapes = {program.inputs[0].key: tuple(inputs.shape)}

    def note(step: Step, result: Any) -> None:
        if isinstance(result, Tensor):
            shapes[step.result.key] = tuple(result.shape)

    return program.run(inputs.clone(), note=note), shapes


class _Choices:
    """Where the batch goes in reshapes of a kind, wherever shapes leave it open: a batch of one hides between axes."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._options: dict[Any, list[int]] = {}

    def of(self, kind: Any, options: list[int]) -> int:
        """The present choice."""
        return self._options.setdefault(kind, options)[0]

    def another(self) -> bool:
        """Go on to the next combination, the latest choice first; False when all were tried."""
        while self._options:
            kind, options = self._options.popitem()
            if len(options) > 1:
                self._options[kind] = options[1:]
                return True
        return False


class _Trial:
    """One run with twice the images, with sizes left open as ``choices`` say."""

    def __init__(self, program: Program, before: Shapes, choices: _Choices) -> None:
        self._program = program
        self._before = before
        self._choices = choices
        self._known: dict[int, Any] = {}
        self._outer: dict[int, int] = {}  # of an axis that holds the batch: how many elements of it lie outside

    def proved(self, rows: Tensor, written: Any) -> Program | None:
        """The changed program, None where it does not run or gives other answers than as ``written``."""
        half = len(rows) // 2
        try:
            freed, found = self._freed(rows)
            second = self._program.run(rows[half:].clone())
            same = _agree(found, 0, written) and _agree(found, half, second)
            # The other way round too: an answer may depend on which images stand before or beside.
            turned = freed.run(rows.roll(half, 0)) if same else None
            same = same and _agree(turned, 0, second) and _agree(turned, half, written)
        except (_Fixed, *MISTAKES):
            return None
        return freed if same else None

    def _freed(self, rows: Tensor) -> tuple[Program, Any]:
        """The program with open sizes and what it gives; the same program where no size was fixed."""
        program, known = self._program, self._known
        known[program.inputs[0].key] = rows.clone()
        steps: list[Step] = []
        ends = program.last_uses()
        with torch.no_grad():
            for position, step in enumerate(program.steps):
                opened = self._opened(step)
                for one in opened:
                    known[one.result.key] = program.call(one, known, rows.device)
                steps += opened
                for key in ends.get(position, ()):
                    known.pop(key, None)
        changed = any(new is not old for new, old in zip(steps, program.steps, strict=False))
        output = program.given(program.output, known, rows.device)
        return (replace(program, steps=steps) if changed else program), output

    def _opened(self, step: Step) -> list[Step]:
        """The step with the batch left open, after steps that repeat constants for every image."""
        if step.name in _JOINING:
            return self._joined(step)
        given = next(step.values(), None)
        axis = self._axis(given)
        if axis is None or given is None:
            return [step]
        self._outer[step.result.key] = self._outer.get(given.key, 1)  # operators that are no reshape keep axes whole
        fixed = all(isinstance(size, int) for size in leaves(step.args[1:])) and given is step.args[0]
        if step.name not in _RESHAPING | {"expand"} or not fixed:
            return [step]
        old, sizes = self._before[given.key], list(self._before[step.result.key])
        if step.name == "expand":
            sizes[len(sizes) - len(old) + axis] = -1
            return [replace(step, args=(given, sizes), kwargs={})]
        outside = math.prod(old[:axis]) * self._outer.get(given.key, 1)
        options = _places(outside, sizes, self._choices.batch)
        place = self._choices.of((old, outside, tuple(sizes)), options)
        self._outer[step.result.key] = outside // math.prod(sizes[:place])
        sizes[place] = -1
        return [replace(step, function=torch.reshape, args=(given, sizes), kwargs={})]

    def _axis(self, value: Any) -> int | None:
        """The axis that doubled; None where none did."""
        if not isinstance(value, Value) or value.key not in self._before:
            return None
        pairs = zip(self._before[value.key], self._known[value.key].shape, strict=True)
        changed = [(axis, old, new) for axis, (old, new) in enumerate(pairs) if old != new]
        if not changed:
            return None
        axis, old, new = changed[0]
        if len(changed) > 1 or new != 2 * old:
            raise _Fixed
        return axis

    def _joined(self, step: Step) -> list[Step]:
        """A class token is joined to every image's own tokens: as many of it as there are images."""
        parts = step.args[0]
        leading = next((part for part in parts if self._axis(part) is not None), None)
        axis = self._axis(leading)
        if leading is None or axis is None:
            return [step]
        self._outer[step.result.key] = self._outer.get(leading.key, 1)
        added: list[Step] = []
        found = []
        for part in parts:
            if self._axis(part) is None:
                added.append(Step(_repeated, (part, leading, axis), scopes=step.scopes))
                part = added[-1].result
            found.append(part)
        return [*added, replace(step, args=(found, *step.args[1:]))] if added else [step]


def _places(outside: int, target: Sequence[int], batch: int) -> list[int]:
    """The axes of ``target`` that can hold the batch, which has ``outside`` elements before it; the likeliest first.

    A batch of one begins an axis and ends the one before it just as well.
    """
    starts = [math.prod(target[:place]) for place in range(len(target))]
    whole = [place for place in range(len(target)) if target[place] % batch == 0]
    begin = sorted((k for k in whole if starts[k] == outside), key=lambda place: target[place] != batch)
    inside = [k for k in whole if starts[k] < outside <= starts[k] * target[k] and outside % starts[k] == 0]
    if not begin + inside:
        raise _Fixed
    return begin + inside


def _repeated(constant: Tensor, images: Tensor, axis: int) -> Tensor:
    """The constant once for each image along ``axis``."""
    return constant.expand([images.shape[k] if k == axis else -1 for k in range(constant.ndim)])


def _agree(found: Any, start: int, expected: Any) -> bool:
    """Whether the rows from ``start`` on are as expected, in every output."""
    pairs = list(zip(_tensors(found), _tensors(expected), strict=True))
    return bool(pairs) and all(close(many[start : start + len(few)], few) for many, few in pairs)


def _tensors(output: Any) -> list[Tensor]:
    return [leaf for leaf in leaves(output) if isinstance(leaf, Tensor) and leaf.ndim]
