"""LRP epsilon-z+ (Bach et al. 2015; Montavon et al. 2019, section 10.3; composite as in Suemer et al. 2023).

z+ on convolutions, epsilon on linear layers, the norm rule on sums and average pooling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, RulePass

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence

RELEVANCE = RulePass("epsilon-plus", start="score")


class LRPEpsilonPlus(Method):
    """Starts from the logit, sign kept; biases absorb relevance, and the residual says how much."""

    id = "lrp-epsilon-plus"
    label = "LRP ε-z⁺"
    reference = "Bach et al. 2015; Montavon et al. 2019; Sümer et al. 2023, PMLR 219"
    summary = "Hands the score back layer by layer, in proportion to what each unit contributed."
    capabilities = Capabilities(additive=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """One backward pass with the relevance rules."""
        return (RELEVANCE,)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The relevance that arrives at the input; it should sum to the score."""
        return Reduced(evidence.get(RELEVANCE), expected_sum=evidence.score)
