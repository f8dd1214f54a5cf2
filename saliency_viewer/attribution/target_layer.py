"""Finding the layer whose maps a class activation method reads."""

from __future__ import annotations

import difflib
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from saliency_viewer.attribution.graph import nodes_behind
from saliency_viewer.attribution.operators import Call, tensors_in
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.errors import UserError

_REMEMBERED = 64  # operators; the last spatial one is never further from the end of a classifier


class LayerWatch:
    """Remembers the tensors that may be the target layer during one forward pass.

    With a name, that module's output counts (its last call). Without, the last tensor with more than one
    position that lies on the way to the score: an output of an activation, functional or not.
    """

    def __init__(self, network: nn.Module, name: str | None, input_dimensions: int) -> None:
        self._network = network
        self._name = name
        self._dimensions = input_dimensions
        self._seen: deque[tuple[Tensor, str]] = deque(maxlen=_REMEMBERED)
        self._named: Tensor | None = None
        self._latest_module = ""

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Follow module names while the network runs; leaves no hook behind."""
        handles = [module.register_forward_hook(self._hook(name)) for name, module in self._modules()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def watch(self, call: Call, result: Any) -> None:
        """See one operator's result. Padding only surrounds maps that were seen before."""
        if call.name == "pad":
            return
        for tensor in tensors_in(result):
            if self._is_spatial(tensor):
                self._seen.append((tensor, self._label(call.name)))

    def find(self, score: Tensor) -> tuple[Tensor, str]:
        """The layer's tensor and its name; raises :class:`UserError` when there is none."""
        if self._name is not None:
            if self._named is None or not self._is_spatial(self._named):
                raise UserError(
                    f"The layer '{self._name}' gives no feature maps with more than one position.",
                    "Choose a convolution or activation layer before the pooling.",
                )
            return self._named, self._name
        reached = nodes_behind(score)
        for tensor, label in reversed(self._seen):
            if tensor.grad_fn in reached:
                return tensor, label
        raise NotDefinedHere(
            "This network has no feature maps with more than one position on the way to the score.",
            "Choose a method that works on the input, such as integrated gradients.",
        )

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        if self._name is None:
            yield from ((name, module) for name, module in self._network.named_modules() if name)
            return
        modules = dict(self._network.named_modules())
        if self._name not in modules:
            near = difflib.get_close_matches(self._name, modules, n=3, cutoff=0.4)
            hint = f"Did you mean {' or '.join(near)}?" if near else "Choose a layer from the model's layer tree."
            raise UserError(f"The network has no layer '{self._name}'.", hint)
        yield self._name, modules[self._name]

    def _hook(self, name: str) -> Any:
        def remember(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            self._latest_module = name
            if self._seen and self._seen[-1][0] is output:
                # The outermost module that ends with this tensor is the name a user knows: layer4, not layer4.1.relu.
                self._seen[-1] = (self._seen[-1][0], name)
            if name != self._name or not isinstance(output, Tensor):
                return None
            # A later in-place operator must not change what was captured, so the network goes on with a copy.
            self._named = output
            return output.clone()

        return remember

    def _label(self, operator: str) -> str:
        return f"{self._latest_module} → {operator}" if self._latest_module else operator

    def _is_spatial(self, tensor: Tensor) -> bool:
        # Pooled features with their channels last (N, 1, 1, C), as ConvNeXt normalises them, are no map.
        pooled = tensor.ndim > 3 and math.prod(tensor.shape[1:-1]) == 1
        several = math.prod(tensor.shape[2:]) > 1 and not pooled
        return tensor.ndim == self._dimensions and tensor.requires_grad and several
