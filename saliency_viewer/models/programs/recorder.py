"""Writes down operator calls as steps while it follows them with the shapes of one example."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.room import require_room, require_room_for
from saliency_viewer.models.programs.steps import OnDevice, Program, Scope, Step, Value, Weight, leaves, mapped

Operand = Value | Tensor | None  # what an operator is given: computed from the image, a constant, or left out


class Recorder:
    """Steps so far. What depends on shapes and constants alone is computed at once and is no step.

    Parameters
    ----------
    shape:
        Of one example input, (N, ...).

    Attributes
    ----------
    input:
        The network's input.
    scopes:
        The modules around the next steps.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.scopes: tuple[Scope, ...] = ()
        self._steps: list[Step] = []
        self._weights: dict[str, Tensor] = {}
        self._statistics: set[str] = set()
        self._named: dict[int, str] = {}
        self._examples: dict[int, Any] = {}
        self.input = self._new(torch.empty(shape, device="meta"))

    def recorded(self, output: Any) -> Program:
        """Everything as a program that gives ``output``, in which auxiliary heads may give nothing."""
        found = [leaf for leaf in leaves(output) if leaf is not None]
        if not found or not all(isinstance(leaf, Value) for leaf in found):
            raise UserError("The network's answer does not depend on the image.", "Export it again.")
        parameters = frozenset(self._weights) - self._statistics
        return Program((self.input,), self._steps, output, self._weights, parameters)

    def emit(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """One operator call on values, constants and plain arguments: a new value, or a constant of constants."""
        if not any(isinstance(leaf, Value) for leaf in leaves((args, kwargs))):
            return self._computed(function, args, kwargs)
        given, named = mapped((args, kwargs), lambda leaf: self._meta(leaf))
        example = function(*given, **named)
        for leaf in leaves(example):
            if isinstance(leaf, Tensor):
                require_room(leaf.shape)
        result = self._new(example)
        stored, named = mapped((args, kwargs), lambda leaf: self._stored(leaf))
        self._steps.append(Step(function, stored, named, self.scopes, result))
        return result

    def parts(self, value: Any, count: int) -> tuple[Any, ...]:
        """The several outputs of one call."""
        return tuple(self.emit(operator.getitem, value, number) for number in range(count))

    def shape(self, operand: Operand) -> tuple[int, ...]:
        """The shape for the example."""
        return tuple(self.example(operand).shape)

    def example(self, operand: Operand) -> Any:
        """What has the operand's shape and type; of values without numbers in it."""
        return self._examples[operand.key] if isinstance(operand, Value) else operand

    def weight(self, tensor: Tensor, name: str, statistic: bool = False) -> Tensor:
        """A constant under a layer's usual name for it; ``statistic``: measured, not trained."""
        around = ".".join(scope.path for scope in self.scopes)
        return self.named(tensor, f"{around}.{name}" if around else name, statistic)

    def named(self, tensor: Tensor, name: str, statistic: bool = False) -> Tensor:
        """A constant under its full name; the first one that it gets stays.

        Exporters store equal tensors once: one that is both a statistic and trained becomes two.
        """
        known = self._named.get(id(tensor))
        if known is not None and (known in self._statistics) != statistic:
            tensor, known = tensor.clone(), None
        if known is None:
            while name in self._weights:
                name += "_"
            self._named[id(tensor)] = name
            self._weights[name] = tensor
            if statistic:
                self._statistics.add(name)
        return tensor

    def _computed(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        require_room_for(function, args, kwargs)
        args, kwargs = mapped((args, kwargs), lambda leaf: "cpu" if isinstance(leaf, OnDevice) else leaf)
        with torch.no_grad():
            return function(*args, **kwargs)

    def _new(self, example: Any) -> Value:
        value = Value()
        self._examples[value.key] = example
        return value

    def _meta(self, leaf: Any) -> Any:
        if isinstance(leaf, Value):
            return self._examples[leaf.key]
        if isinstance(leaf, OnDevice):
            return "meta"
        return leaf.to("meta") if isinstance(leaf, Tensor) else leaf

    def _stored(self, leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) not in self._named:
            self.weight(leaf, "constant")
        return Weight(self._named[id(leaf)])
