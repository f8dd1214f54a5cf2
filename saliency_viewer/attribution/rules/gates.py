"""Telling gates from signals and from activations in products of two feature maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from saliency_viewer.attribution.operators import Call, on_tape, tensors_in
from saliency_viewer.attribution.rules.facts import Tracker
from saliency_viewer.attribution.rules.families import GATES, MOVING, PRODUCTS, SUMS

_FOLLOWED = GATES | MOVING | PRODUCTS | SUMS


@dataclass(frozen=True)
class Origin:
    """``root`` stands for the values from which a tensor was computed elementwise; ``gate``: by a sigmoid."""

    root: object
    gate: bool = False


@dataclass(frozen=True, eq=False)
class Gated:
    """A product of a signal and a gate.

    An ``activation`` such as x * sigmoid(x) gets its gate from the very values it gates; a ``gate`` comes from
    elsewhere and is broadcast: the same at every position, or for every channel.
    """

    kind: Literal["activation", "gate"]
    signal: Tensor


class Gates(Tracker[Origin]):
    """Knows what came out of a sigmoid, and of which values."""

    def expected(self, call: Call) -> Origin | None:
        """The origin of a sigmoid's result and of what is only moved, scaled or shifted."""
        if call.name not in _FOLLOWED:
            return None
        sources = [tensor for tensor in tensors_in([call.args, call.kwargs]) if on_tape(tensor)]
        if len(sources) != 1:
            return None
        origin = self._origin(sources[0])
        return Origin(origin.root, gate=True) if call.name in GATES else origin

    def _origin(self, tensor: Tensor) -> Origin:
        known = self.of(tensor)
        if known is None:
            known = Origin(object())
            self._facts.put(tensor, known)
        return known

    def split(self, call: Call) -> Gated | None:
        """The parts of a product of two feature maps; None when neither operand is known to be a gate."""
        first, second = call.input, call.argument(1, "other")
        if call.name != "mul" or not (on_tape(first) and on_tape(second)):
            return None
        if first.shape != second.shape:
            return _by_shape(first, second)
        one, other = self._origin(first), self._origin(second)
        if one.gate != other.gate:
            gate, signal = (first, second) if one.gate else (second, first)
            if one.root is other.root:
                return Gated("activation", signal)
            return Gated("gate", signal) if _even(gate) else None
        if _even(first) != _even(second):
            return Gated("gate", second if _even(first) else first)
        return None


def _by_shape(first: Tensor, second: Tensor) -> Gated | None:
    """The gate is the operand that is broadcast."""
    larger, smaller = (first, second) if first.numel() >= second.numel() else (second, first)
    return Gated("gate", larger) if broadcasts(smaller, larger) else None


def broadcasts(smaller: Tensor, larger: Tensor) -> bool:
    """Whether arithmetic of the two has the larger one's shape."""
    pairs = zip(larger.shape[::-1], smaller.shape[::-1], strict=False)
    return larger.ndim >= smaller.ndim and all(a == b or b == 1 for a, b in pairs)


def _even(tensor: Tensor) -> bool:
    """Whether a tensor (N, C, *spatial) has one value for all positions, as expanded tensors show by their strides."""
    return all(size == 1 or step == 0 for size, step in zip(tensor.shape[2:], tensor.stride()[2:], strict=True))
