"""Guided backpropagation (Springenberg et al. 2014, arXiv 1412.6806).

The backward pass of every ReLU passes only positive gradients of active units. Nearly an edge detector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, RulePass

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence

GUIDED = RulePass("guided")


class GuidedBackprop(Method):
    """Defined for ReLU, ReLU6 and LeakyReLU; refused for networks with other activations."""

    id = "guided-backprop"
    label = "Guided backpropagation"
    reference = "Springenberg et al. 2014, arXiv:1412.6806"
    summary = "Gradients that only pass where they and the activation are positive; nearly an edge detector."
    capabilities = Capabilities()

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """One backward pass with the guided rule."""
        return (GUIDED,)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The pass's result at the input."""
        return Reduced(evidence.get(GUIDED))
