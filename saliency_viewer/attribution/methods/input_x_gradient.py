"""Input x Gradient (Shrikumar et al. 2016, arXiv 1605.01713): x * df/dx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, PointGradient

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class InputXGradient(Method):
    """Depends on where the intensity scale has its zero; sums to f(x) for ReLU networks without biases."""

    id = "input-x-gradient"
    label = "Input x gradient"
    reference = "Shrikumar et al. 2016, arXiv:1605.01713"
    summary = "The gradient weighted by the pixel's own value."
    capabilities = Capabilities()

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """One gradient."""
        return (PointGradient(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """Gradient times input."""
        return Reduced(evidence.inputs * evidence.get(PointGradient()))
