"""Values that come from the image and that no gradient follows: comparisons, detached maps, and what is made of them.

Networks that write a rectifier by hand as x * (x > 0) use one, and rules for rectifiers would not see it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from saliency_viewer.attribution.operators import Call, on_tape, tensors_in

# They take a tensor's form only, not its values.
_FRESH = frozenset(
    {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like"}
    | {"new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
)


class Unfollowed:
    """Knows which tensors that are not on the tape depend on the image; in-place operators do not make it forget."""

    def __init__(self) -> None:
        self._known: Any = WeakTensorKeyDictionary()

    def __contains__(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor) and tensor in self._known

    def see(self, call: Call, result: Any) -> None:
        """One operator ran."""
        if on_tape(result) or not isinstance(result, Tensor) or call.name in _FRESH:
            return
        if any(on_tape(tensor) or tensor in self for tensor in tensors_in([call.args, call.kwargs])):
            self._known[result] = True
