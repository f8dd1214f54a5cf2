"""The last operators of a pass that ran without a graph, so that the network's end can be run again from a layer on.

A class activation map needs activations and gradients at one late layer. A forward pass that keeps no graph, and a
second run of only the operators behind that layer, gives both for the price of one forward pass.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from saliency_viewer.attribution.operators import Call, tensors_in

_REMEMBERED = 256  # operators; a classifier's last feature maps are hardly ever further from its end
_SMALL = 8  # how many times a tensor is smaller than the largest one when it may belong to the network's end
_OVERWRITING = frozenset({"copy", "fill", "zero"})
_WEIGHT_STEPS = 4  # operators that make a weight from parameters
_WRITING = frozenset({"setitem", "index_put", "copy", "set"})


Step = list[Any]  # [call, result, where]; a list, since the name is bettered afterwards


class Module(str):
    """The name of a module that ended with a step's result, as against that of one that had ended before."""

    __slots__ = ()


class NotReplayable(Exception):  # noqa: N818 - reads as what it says
    """The recorded operators cannot be run again with the same meaning."""


class Recording:
    """Operators with their results, in the order in which they ran.

    ``sparing``: the number of axes of feature maps, for passes without a graph that must not hold large maps; 0 holds
    all of the last operators.
    """

    def __init__(self, replayed: bool, sparing: int = 0) -> None:
        self._steps: deque[Step] = deque(maxlen=_REMEMBERED)
        self._replayed = replayed
        self._sparing = sparing
        self.seen = 0  # operators so far
        self._largest = 0

    def watch(self, call: Call, result: Any, where: str) -> None:
        """See one operator that ran after the module ``where``."""
        if self._sparing and isinstance(result, Tensor) and result.ndim == self._sparing and call.name != "pad":
            self._spare(result.numel())
        made = call.input if call.name == "setitem" else result
        self._steps.append([_held(call) if self._replayed else call, made, where])
        self.seen += 1

    def _spare(self, size: int) -> None:
        """Let older steps go before large maps.

        Every tensor that is held costs time, since its memory cannot serve the next operator, and only what follows
        the latest large maps can be the end of a classifier.
        """
        self._largest = max(self._largest, size)
        if size * _SMALL > self._largest:
            self._steps.clear()

    def ended(self, result: Any, module: str) -> None:
        """A module ended with ``result``: if the last operator made it, the module is its name."""
        if self._steps and self._steps[-1][1] is result:
            self._steps[-1][2] = Module(module)

    def reversed(self) -> Iterable[tuple[int, Step]]:
        """(position, step), the latest first."""
        for position in range(len(self._steps) - 1, -1, -1):
            yield position, self._steps[position]

    def number(self, position: int) -> int:
        """How many operators ran before the one at a position."""
        return self.seen - len(self._steps) + position

    def operator(self, position: int) -> str:
        """The name of the operator at a position."""
        return str(self._steps[position][0].name)

    def forget(self) -> None:
        """Let everything go, so that a backward pass finds the memory that its graph gives up."""
        self._steps.clear()

    def restart(self) -> None:
        """Forget what came before, and keep everything from here on."""
        self._steps = deque()
        self._sparing = 0

    def on_the_way_to(self, end: Tensor) -> Iterable[tuple[int, Step, Tensor]]:
        """(position, step, tensor) of every result that ``end`` depends on, the latest first."""
        needed = {id(end)}
        for position, step in self.reversed():
            call, result, _ = step
            found = [tensor for tensor in tensors_in(result) if id(tensor) in needed]
            if found:
                yield from ((position, step, tensor) for tensor in found)
                needed.update(id(tensor) for tensor in tensors_in([call.args, call.kwargs]))

    def maker(self, tensor: Any, before: Step | None = None) -> Step | None:
        """The latest step whose result a tensor is; None where it is not among the last operators.

        With ``before``, the latest one that ran earlier: some operators return what they were given.
        """
        steps: Iterator[Step] = (step for _, step in self.reversed())
        if before is not None:
            steps = itertools.islice(itertools.dropwhile(lambda step: step is not before, steps), 1, None)
        return next((step for step in steps if any(found is tensor for found in tensors_in(step[1]))), None)

    def fixed(self, tensor: Tensor, before: Step | None = None, depth: int = _WEIGHT_STEPS) -> bool:
        """Whether a tensor is a constant, or made of parameters alone in few operators, as normalised weights are."""
        if isinstance(tensor, nn.Parameter):
            return True
        step = self.maker(tensor, before) if depth else None
        if step is None:
            return False
        return all(self.fixed(one, step, depth - 1) for one in tensors_in([step[0].args, step[0].kwargs]))

    def after(self, position: int) -> Tail:
        """The operators behind that position."""
        return Tail(list(self._steps)[position + 1 :], self.number(position))

    def behind(self, tensor: Tensor) -> Tail:
        """The operators behind the one that made ``tensor``; raises :class:`NotReplayable` where none is known."""
        for position, (_, result, _) in reversed(list(enumerate(self._steps))):
            if any(found is tensor for found in tensors_in(result)):
                return self.after(position)
        raise NotReplayable

    def whole(self) -> Tail:
        """All operators that were kept; the first one copied the named layer."""
        return Tail(list(self._steps), self.number(0))


class Tail:
    """Operators from a layer to the score, to be run again with other activations of the same shape.

    ``maker``: how many operators ran before the one that made the layer.
    """

    def __init__(self, steps: Sequence[Step], maker: int) -> None:
        self._steps = steps
        self.maker = maker

    def replay(self, layer: Tensor, given: Tensor, end: Tensor) -> Tensor:
        """What ``end`` becomes when ``layer`` becomes ``given``, of the same shape.

        Raises :class:`NotReplayable` where the end does not depend on the layer through recorded operators alone, or
        where a recorded operator wrote into a tensor that the recorded operators did not make.
        """
        known: dict[int, Tensor] = {id(layer): given}
        remade = self._remade(layer)
        for call, result, _ in self._steps:
            if not any(id(tensor) in known for tensor in tensors_in([call.args, call.kwargs])):
                if _writes(call) or any(id(tensor) in remade and tensor._is_view() for tensor in tensors_in(result)):
                    raise NotReplayable
                if not any(id(tensor) in remade for tensor in tensors_in(result)):
                    continue
            if "out" in call.kwargs or (_writes(call) and id(call.input) not in known):
                raise NotReplayable
            if call.name in _OVERWRITING and call.input._base is layer:
                raise NotReplayable  # the layer was only made by this: what is given in its place would be lost
            args, kwargs = _exchanged(call.args, known), _exchanged(call.kwargs, known)
            again = call.function(*args, **kwargs)
            if call.name == "setitem":
                again = args[0]
            # An operator gives as many tensors as before, for equal shapes.
            known.update((id(old), new) for old, new in zip(tensors_in(result), tensors_in(again), strict=True))
        if id(end) not in known:
            raise NotReplayable
        return known[id(end)]

    def _remade(self, layer: Tensor) -> set[int]:
        """Ids of tensors that start as constants and are written to from the layer: they must start anew each time."""
        depending, remade = {id(layer)}, set()
        for call, result, _ in self._steps:
            if not any(id(tensor) in depending for tensor in tensors_in([call.args, call.kwargs])):
                continue
            if _writes(call) and isinstance(call.input, Tensor) and id(call.input) not in depending:
                remade.add(id(call.input))
                depending.add(id(call.input))
            depending.update(id(tensor) for tensor in tensors_in(result))
        return remade


def _held(call: Call) -> Call:
    """The call with containers of its own: dense blocks go on filling the list that they joined."""
    if not call.kwargs and not any(isinstance(argument, list) for argument in call.args):
        return call
    return Call(call.function, _exchanged(call.args, {}), _exchanged(call.kwargs, {}))


def _writes(call: Call) -> bool:
    return call.in_place or call.name in _WRITING or "out" in call.kwargs


def _exchanged(value: Any, known: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return known.get(id(value), value)
    if isinstance(value, (list, tuple)):
        items = [_exchanged(item, known) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: _exchanged(item, known) for key, item in value.items()}
    return value
