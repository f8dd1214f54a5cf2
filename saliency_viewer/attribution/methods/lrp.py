"""What the composites of layer-wise relevance propagation share (Bach et al. 2015; Montavon et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, RulePass
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class LRPParameters:
    """The stabiliser of the epsilon rule on linear layers."""

    epsilon: float = parameter(
        1e-6,
        label="Epsilon",
        help="Added to the outputs of linear layers before relevance is divided by them; more gives sparser maps.",
        minimum=1e-12,
        maximum=10.0,
        advanced=True,
    )


class LRP(Method):
    """Starts from the logit, sign kept; biases absorb relevance, and the residual says how much.

    A composite is a rule set of that name in ``attribution/rules``.
    """

    composite: ClassVar[str]
    bounded: ClassVar[bool] = False
    capabilities = Capabilities(additive=True)
    Parameters = LRPParameters

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """One backward pass with the composite's rules."""
        return (self._pass(parameters),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The relevance that arrives at the input; it should sum to the score."""
        return Reduced(evidence.get(self._pass(parameters)), expected_sum=evidence.score)

    def options(self, parameters: Any) -> tuple[tuple[str, float], ...]:
        """What the rule set is called with."""
        return (("epsilon", parameters.epsilon),)

    def _pass(self, parameters: Any) -> RulePass:
        return RulePass(self.composite, "score", self.options(parameters), self.bounded)
