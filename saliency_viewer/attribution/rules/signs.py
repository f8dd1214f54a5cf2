"""Knowing which feature maps cannot be negative, from the operators that made them.

Rules that tell positive from negative contributions do half of the work for such maps.
"""

from __future__ import annotations

import torch

from saliency_viewer.attribution.operators import Call, tensors_in
from saliency_viewer.attribution.rules.facts import Tracker
from saliency_viewer.attribution.rules.families import AVERAGING, GATES, MOVING, clamps_at_zero

_RECTIFYING = frozenset({"relu", "relu6", "softmax", "abs", "square", "exp", "softplus"}) | GATES
# What comes out is not negative when nothing that goes in is. Alpha dropout puts negative values in.
_KEEPING = (MOVING | AVERAGING) - {"alpha_dropout", "feature_alpha_dropout"}
_ARITHMETIC = frozenset({"add", "mul", "div"})


class NonNegative(Tracker[bool]):
    """Whether every value of a tensor is known to be at least zero."""

    def expected(self, call: Call) -> bool | None:
        """True when the result cannot be negative, else None."""
        return True if self._rectifies(call) or self._keeps(call) else None

    def _rectifies(self, call: Call) -> bool:
        if call.name == "hardtanh":
            return bool(call.argument(1, "min_val", -1.0) >= 0)
        return call.name in _RECTIFYING or clamps_at_zero(call)

    def _keeps(self, call: Call) -> bool:
        if call.name == "pad":
            return self._known(call.input) and (call.argument(3, "value") or 0) >= 0
        if call.name in _ARITHMETIC:
            numbers = [n for n in (*call.args, *call.kwargs.values()) if isinstance(n, (int, float))]
            return min(numbers, default=0) >= 0 and self._known([call.args, call.kwargs])
        return call.name in _KEEPING and self._known([call.args, call.kwargs])

    def _known(self, values: object) -> bool:
        floating = [tensor for tensor in tensors_in(values) if torch.is_floating_point(tensor)]
        return bool(floating) and all(self.of(tensor) for tensor in floating)
