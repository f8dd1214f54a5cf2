"""The linear layer behind a global average: what Saliency Tubes needs, found by watching rather than by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.undefined import NotDefinedHere

_REFUSAL = "Saliency Tubes needs a network that ends in a global average and one linear layer; this one does not."
_OTHER_LAYER = "Saliency Tubes reads the maps whose mean goes into the last linear layer; the chosen layer's do not."
_CURE = "Use Grad-CAM, which equals it up to a factor where it is defined."


class HeadWatch:
    """Remembers the linear operators of a forward pass."""

    def __init__(self) -> None:
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []  # (input, weight, output)

    def watch(self, call: Call, result: Any) -> None:
        """See one operator's result."""
        if call.name == "linear" and isinstance(result, Tensor):
            self._seen.append((call.input, call.argument(1, "weight"), result))

    def weights(self, logits: Tensor, activations: Tensor, chosen: bool) -> Tensor:
        """(outputs, K) weights; raises :class:`NotDefinedHere` unless input = mean of ``activations`` over space.

        ``chosen``: the layer was named by the user, so a misfit may be the layer's and not the network's.
        """
        found = next((one for one in reversed(self._seen) if _same(one[2], logits)), None)
        if found is None:
            raise NotDefinedHere(_REFUSAL, _CURE, "no linear layer's result is the network's output")
        given, weight, _ = found
        pooled = activations.flatten(2).mean(-1)
        if pooled.shape != given.shape or not torch.allclose(pooled, given, rtol=1e-3, atol=1e-5):
            raise NotDefinedHere(
                _OTHER_LAYER if chosen else _REFUSAL,
                "Leave the layer to be found, or use Grad-CAM." if chosen else _CURE,
                "the linear layer's input is not the mean of the layer's maps",
            )
        return weight.detach()


def _same(result: Tensor, logits: Tensor) -> bool:
    return result.data_ptr() == logits.data_ptr() and result.shape == logits.shape
