"""Respond-CAM (Zhao et al. 2018, arXiv 1806.00102, equation 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.cam import over_space, weighted_sum
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence

_VANISHING = 1e-6  # a channel whose sum cancels to below this part of its absolute sum has no meaningful mean


class RespondCAM(Method):
    """Weights sum(A G) / sum(A): its sum equals HiResCAM's where no channel's activations cancel."""

    id = "respond-cam"
    label = "Respond-CAM"
    reference = "Zhao et al. 2018, arXiv:1806.00102"
    summary = "Grad-CAM with gradients averaged by activation, made for 3D."
    capabilities = Capabilities(needs_layer=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k w_k A_k."""
        layer = evidence.get(LayerEvidence())
        activations = over_space(layer.activations)
        total = activations.sum(-1)
        kept = total.abs() > _VANISHING * activations.abs().sum(-1)
        product = (activations * over_space(layer.gradients)).sum(-1)
        weights = product / total.masked_fill(~kept, 1.0) * kept
        return Reduced(weighted_sum(weights, layer.activations))
