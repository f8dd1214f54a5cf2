"""Which biases of a network the pytorch-grad-cam library's FullGrad takes in, and in which order they take part.

Srinivas and Fleuret 2019 (arXiv 1905.00780) decompose a piecewise linear network into its input's and all its biases'
gradients. Curved functions have implicit biases (their section 3.2), of which the library knows nothing.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.rules.families import ACTIVATIONS, GATES

_STRAIGHT = frozenset({"relu", "relu6", "leaky_relu", "rrelu", "prelu", "hardtanh"})
_CURVED = (ACTIVATIONS - _STRAIGHT) | GATES
_CURVED |= {"softmax", "layer_norm", "group_norm", "instance_norm", "rms_norm", "normalize"}
_CURVED |= {"scaled_dot_product_attention", "multi_head_attention_forward"}


class BiasCensus:
    """Watches one forward pass of a network that is ours to hook."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._ran: list[nn.Module] = []
        self._spread: list[nn.Module] = []  # those with a bias at more than one position
        self._curved: dict[str, None] = {}
        self._handles: list[Any] = []
        self._taken: set[nn.Module] = set()

    def __enter__(self) -> Self:
        """Hook every module until the end of the block."""
        self._handles = [module.register_forward_hook(self._see) for module in self._network.modules()]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Take the hooks away."""
        for handle in self._handles:
            handle.remove()

    def watch(self, call: Call, _result: Any) -> None:
        """See one operator."""
        if call.name in _CURVED:
            self._curved[call.name] = None

    def in_order(self, library: Any) -> list[nn.Module]:
        """The layers that the library hooks, as often and in the order in which they run."""
        self._taken = set(library.target_layers)
        return [module for module in self._ran if module in self._taken]

    def left_out(self) -> str:
        """What of the published decomposition the map lacks; empty when it lacks nothing."""
        layers = len({module for module in self._spread if module not in self._taken})
        parts = [f"biases of {layers} layers"] if layers else []
        if self._curved:
            parts.append(f"implicit biases of {', '.join(sorted(self._curved))}")
        return f"the library leaves out {' and '.join(parts)}" if parts else ""

    def _see(self, module: nn.Module, _inputs: Any, output: Any) -> None:
        self._ran.append(module)
        bias = getattr(module, "bias", None)
        # A bias behind the pooling has no place in a map, and the paper's maps leave it out too.
        if isinstance(bias, Tensor) and isinstance(output, Tensor) and output[0].numel() > bias.numel():
            self._spread.append(module)
