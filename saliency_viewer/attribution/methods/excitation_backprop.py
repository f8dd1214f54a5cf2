"""Excitation backpropagation (Zhang et al. 2016, arXiv 1608.00507, equation 2).

A probability of one walks down from the class, at every layer in proportion to the positive contributions x+ w+.
Positive biases take part, as in Zennit's composite; the paper has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, RulePass

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence

_EXCITATION = RulePass("excitation", start="sign")


class ExcitationBackprop(Method):
    """Sums to one, less what biases absorbed, which the residual says; to minus one for a negated logit."""

    id = "excitation-backprop"
    label = "Excitation backpropagation"
    reference = "Zhang et al. 2016, arXiv:1608.00507"
    summary = "Where a random walk from the class ends that follows excitatory connections only."
    aliases = ("excitation",)
    capabilities = Capabilities(additive=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """One backward pass with the z+ rule on all layers."""
        return (_EXCITATION,)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """What arrives at the input."""
        return Reduced(evidence.get(_EXCITATION), expected_sum=evidence.signs, of_score=False)
