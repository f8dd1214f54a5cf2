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
    """Remembers the last linear operator of a forward pass."""

    def __init__(self) -> None:
        self._input: Tensor | None = None
        self._weight: Tensor | None = None
        self._output: Tensor | None = None

    def watch(self, call: Call, result: Any) -> None:
        """See one operator's result."""
        if call.name == "linear" and isinstance(result, Tensor):
            self._input, self._weight, self._output = call.input, call.argument(1, "weight"), result

    def weights(self, logits: Tensor, activations: Tensor, chosen: bool) -> Tensor:
        """(outputs, K) weights; raises :class:`NotDefinedHere` unless input = mean of ``activations`` over space.

        ``chosen``: the layer was named by the user, so a misfit may be the layer's and not the network's.
        """
        if self._input is None or self._weight is None or self._output is None:
            raise NotDefinedHere(_REFUSAL, _CURE, "no linear layer was run")
        if self._output.data_ptr() != logits.data_ptr() or self._output.shape != logits.shape:
            raise NotDefinedHere(_REFUSAL, _CURE, "the linear layer's result is not the network's output")
        pooled = activations.flatten(2).mean(-1)
        if pooled.shape != self._input.shape or not torch.allclose(pooled, self._input, rtol=1e-3, atol=1e-5):
            raise NotDefinedHere(
                _OTHER_LAYER if chosen else _REFUSAL,
                "Leave the layer to be found, or use Grad-CAM." if chosen else _CURE,
                "the linear layer's input is not the mean of the layer's maps",
            )
        return self._weight.detach()
