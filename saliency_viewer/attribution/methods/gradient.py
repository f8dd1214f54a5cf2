"""Gradient (Simonyan et al. 2013, arXiv 1312.6034, section 3): df/dx, signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, PointGradient

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class Gradient(Method):
    """How much the score changes when a pixel changes a little."""

    id = "gradient"
    label = "Gradient"
    reference = "Simonyan et al. 2013, arXiv:1312.6034"
    summary = "How much the score changes when a pixel changes a little."
    aliases = ("saliency",)
    capabilities = Capabilities()

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """One gradient."""
        return (PointGradient(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """df/dx."""
        return Reduced(evidence.get(PointGradient()))
