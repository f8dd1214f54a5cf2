"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, equations 1 and 2), signed before its ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.cam import over_space, weighted_sum
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class GradCAM(Method):
    """Channels of the layer weighted by their mean gradient."""

    id = "grad-cam"
    label = "Grad-CAM"
    reference = "Selvaraju et al. 2017, arXiv:1610.02391"
    summary = "Where the last feature maps speak for the class, coarse but dependable."
    capabilities = Capabilities(needs_layer=True, one_sided=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k mean(G_k) A_k."""
        layer = evidence.get(LayerEvidence())
        return Reduced(weighted_sum(over_space(layer.gradients).mean(-1), layer.activations))
