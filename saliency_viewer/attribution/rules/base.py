"""What every rule set is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from saliency_viewer.attribution.graph import nodes_behind
from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.rules.facts import Tracker
from saliency_viewer.attribution.rules.families import is_activation
from saliency_viewer.attribution.rules.gates import Gates
from saliency_viewer.attribution.rules.tape import RuleFunction
from saliency_viewer.attribution.undefined import NotDefinedHere


class RuleSet(ABC):
    """Handles operator calls of one forward pass, so that the backward pass follows the rules.

    ``intercepted`` and ``executed`` count activation calls (gates excluded): every one that ran must have been
    given the rule, or the map is not what its name says. ``generalised`` says where a rule went beyond its paper.
    """

    def __init__(self) -> None:
        self.intercepted = 0
        self.executed = 0
        self._generalised: dict[str, None] = {}  # a set that keeps its order
        self.gates = Gates()
        self.trackers: tuple[Tracker[Any], ...] = (self.gates,)

    def __call__(self, call: Call) -> Any:
        """Run one operator under the rules."""
        if is_activation(call):
            self.executed += 1
        expected = [tracker.expected(call) for tracker in self.trackers]
        result = self.handle(call)
        for tracker, fact in zip(self.trackers, expected, strict=True):
            tracker.note(result, fact)
        return result

    @property
    def generalised(self) -> str:
        """In which ways the published rule was extended to this network's operators; empty for none."""
        return ", ".join(self._generalised)

    def declare(self, how: str) -> None:
        """Say that an operator got a rule that the method's paper does not give."""
        self._generalised[how] = None

    def begin(self, image: Tensor, low: Tensor, high: Tensor) -> None:  # noqa: B027 - most rules do not ask
        """See the network's input (N, C, *spatial) and its smallest and largest possible values before it runs."""

    @abstractmethod
    def handle(self, call: Call) -> Any:
        """The operator's result, with the backward that the rule wants."""

    def finish(self, logits: Tensor) -> None:
        """Raise :class:`NotDefinedHere` for what can only be judged after the forward pass.

        A function with a backward of its own (a memory-saving Swish, say) hides its operators from every rule.
        """
        for node in nodes_behind(logits):
            self.inspect(node)
            foreign = getattr(node, "_forward_cls", None)
            if foreign is not None and not issubclass(foreign, RuleFunction):
                raise NotDefinedHere(
                    f"Backward rules cannot see inside this network's own operator {foreign.__name__}.",
                    "Build the network without it (e.g. with a plain activation), or choose a gradient method.",
                )

    def inspect(self, node: Any) -> None:  # noqa: B027 - most rules do not ask
        """See one node of the graph behind the output; may raise :class:`NotDefinedHere`."""
