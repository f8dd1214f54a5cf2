"""A network as a list of operator calls, which is what every program file comes down to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

_COUNT = itertools.count()


@dataclass(frozen=True)
class Value:
    """What a step gives, or the network is given."""

    key: int = field(default_factory=lambda: next(_COUNT))


@dataclass(frozen=True)
class Weight:
    """A tensor of the file, by its name."""

    name: str


class OnDevice:
    """Stands for the device that the network runs on; files name that of the computer they were written on."""


class Scope(NamedTuple):
    """One module call around a step: the module's ``path`` below the module around it, its class, and which call."""

    path: str
    kind: str = ""
    call: str = ""


@dataclass(eq=False)
class Step:
    """One operator call. Arguments hold values, weights and plain constants in any nesting of lists and tuples.

    ``scopes``: the modules it stands in, the outermost first; empty for the network itself.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = ()
    result: Value = field(default_factory=Value)

    @property
    def name(self) -> str:
        """The operator's name without the marks of a variant: ``relu`` for ``relu_.default``."""
        return str(getattr(self.function, "__name__", "")).split(".")[0].strip("_")

    def values(self) -> Iterator[Value]:
        """The values it takes."""
        return (leaf for leaf in leaves((self.args, self.kwargs)) if isinstance(leaf, Value))


@dataclass(eq=False)
class Program:
    """Steps in the order in which they run, from ``inputs`` to ``output`` (values in any nesting).

    ``parameters`` names those ``weights`` that were trained; the others are statistics and constants.
    """

    inputs: tuple[Value, ...]
    steps: list[Step]
    output: Any
    weights: dict[str, Tensor]
    parameters: frozenset[str]

    def last_uses(self) -> dict[int, list[int]]:
        """For each position the keys of the values that no later step takes."""
        return last_uses([[value.key for value in step.values()] for step in self.steps], keys_in(self.output))

    def run(
        self,
        *inputs: Tensor,
        note: Callable[[Step, Any], None] | None = None,
        before: Callable[[Callable[..., Any], Any, Any], None] | None = None,
    ) -> Any:
        """The output for these inputs, step by step and without a gradient.

        ``before`` sees the function and the arguments of every call, ``note`` every step with its result.
        """
        known: dict[int, Any] = {value.key: given for value, given in zip(self.inputs, inputs, strict=True)}
        ends = self.last_uses()
        with torch.no_grad():
            for position, step in enumerate(self.steps):
                known[step.result.key] = result = self.call(step, known, inputs[0].device, before)
                if note is not None:
                    note(step, result)
                for key in ends.get(position, ()):
                    known.pop(key, None)
        return self.given(self.output, known, inputs[0].device)

    def call(
        self,
        step: Step,
        known: dict[int, Any],
        device: torch.device,
        before: Callable[[Callable[..., Any], Any, Any], None] | None = None,
    ) -> Any:
        """What one step gives."""
        args, kwargs = self.given((step.args, step.kwargs), known, device)
        if before is not None:
            before(step.function, args, kwargs)
        return step.function(*args, **kwargs)

    def given(self, arguments: Any, known: dict[int, Any], device: torch.device) -> Any:
        """Arguments with tensors in their places."""

        def of(leaf: Any) -> Any:
            if isinstance(leaf, Value):
                return known[leaf.key]
            if isinstance(leaf, Weight):
                return self.weights[leaf.name].to(device)
            return device if isinstance(leaf, OnDevice) else leaf

        return mapped(arguments, of)


def last_uses(uses: list[list[int]], kept: set[int]) -> dict[int, list[int]]:
    """For each position the keys that are used there for the last time, without those ``kept``."""
    last: dict[int, int] = {}
    for position, keys in enumerate(uses):
        last.update(dict.fromkeys(keys, position))
    found: dict[int, list[int]] = {}
    for key, position in last.items():
        if key not in kept:
            found.setdefault(position, []).append(key)
    return found


def keys_in(structure: Any) -> set[int]:
    """Keys of all values in a structure."""
    return {leaf.key for leaf in leaves(structure) if isinstance(leaf, Value)}


def mapped(structure: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of nested lists, tuples, dictionaries and slices with ``change`` applied to everything else."""
    if isinstance(structure, (list, tuple)):
        return type(structure)(mapped(item, change) for item in structure)
    if isinstance(structure, dict):
        return {key: mapped(item, change) for key, item in structure.items()}
    if isinstance(structure, slice):
        return slice(*(mapped(end, change) for end in (structure.start, structure.stop, structure.step)))
    return change(structure)


def leaves(structure: Any) -> Iterator[Any]:
    """Everything in a structure that is no container."""
    if isinstance(structure, (list, tuple)):
        for item in structure:
            yield from leaves(item)
    elif isinstance(structure, dict):
        yield from leaves(list(structure.values()))
    elif isinstance(structure, slice):
        yield from leaves([structure.start, structure.stop, structure.step])
    else:
        yield structure
