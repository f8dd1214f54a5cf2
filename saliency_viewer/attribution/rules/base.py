"""What every rule set is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from saliency_viewer.attribution.graph import nodes_behind
from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.rules.tape import RuleFunction
from saliency_viewer.attribution.undefined import NotDefinedHere

# Elementwise non-linearities under the names operators carry; gates are counted apart.
ACTIVATIONS = frozenset(
    {"relu", "relu6", "hardtanh", "leaky_relu", "rrelu", "prelu", "elu", "selu", "celu", "silu", "gelu", "mish"}
    | {"hardswish", "softplus", "tanh", "hardshrink", "softshrink", "tanhshrink", "threshold", "softsign", "logsigmoid"}
)
GATES = frozenset({"sigmoid", "hardsigmoid"})


class RuleSet(ABC):
    """Handles operator calls of one forward pass, so that the backward pass follows the rules.

    ``intercepted`` and ``executed`` count activation calls (gates excluded): every one that ran must have been
    given the rule, or the map is not what its name says.
    """

    def __init__(self) -> None:
        self.intercepted = 0
        self.executed = 0

    def __call__(self, call: Call) -> Any:
        """Run one operator under the rules."""
        if is_activation(call):
            self.executed += 1
        return self.handle(call)

    @abstractmethod
    def handle(self, call: Call) -> Any:
        """The operator's result, with the backward that the rule wants."""

    def finish(self, logits: Tensor) -> None:
        """Raise :class:`NotDefinedHere` for what can only be judged after the forward pass.

        A function with a backward of its own (a memory-saving Swish, say) hides its operators from every rule.
        """
        for node in nodes_behind(logits):
            foreign = getattr(node, "_forward_cls", None)
            if foreign is not None and not issubclass(foreign, RuleFunction):
                raise NotDefinedHere(
                    f"Backward rules cannot see inside this network's own operator {foreign.__name__}.",
                    "Build the network without it (e.g. with a plain activation), or choose a gradient method.",
                )


def is_activation(call: Call) -> bool:
    """Whether a call is an elementwise activation, clamping at zero included."""
    return call.name in ACTIVATIONS or clamps_at_zero(call)


def clamps_at_zero(call: Call) -> bool:
    """``clamp(min=0)`` is a ReLU by another name."""
    if call.name == "clamp_min":
        return bool(call.argument(1, "min") == 0)
    if call.name in ("clamp", "clip"):
        low = call.argument(1, "min")
        return isinstance(low, (int, float)) and low == 0
    return False
