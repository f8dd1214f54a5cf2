"""Values that come from the image and that no gradient follows: comparisons, detached maps, and what is made of them.

Networks that write a rectifier by hand as x * (x > 0) use one, and rules for rectifiers would not see it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from saliency_viewer.attribution.operators import Call, on_tape, tensors_in
from saliency_viewer.attribution.rules.facts import Tracker

# They take a tensor's form only, not its values.
_FRESH = frozenset(
    {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"}
    | {"new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
)


class Unfollowed(Tracker[bool]):
    """Knows which tensors depend on the image, on the tape or off it."""

    def expected(self, call: Call) -> bool | None:
        """True for what is made of the image's values."""
        if call.name in _FRESH:
            return None
        return any(on_tape(tensor) or self.of(tensor) for tensor in tensors_in([call.args, call.kwargs])) or None

    def masks(self, tensor: Any) -> bool:
        """Whether a tensor is such a value."""
        return isinstance(tensor, Tensor) and not on_tape(tensor) and bool(self.of(tensor))
