"""Grad-CAM++ (Chattopadhyay et al. 2018, arXiv 1710.11063, equation 19), signed before its ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.cam import over_space, weighted_sum
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class GradCAMPlusPlus(Method):
    """Weights sum relu(G) * G^2 / (2 G^2 + sum(A) G^3), without any epsilon."""

    id = "grad-cam-plus-plus"
    label = "Grad-CAM++"
    reference = "Chattopadhyay et al. 2018, arXiv:1710.11063"
    summary = "Grad-CAM with weights that keep several small findings of one class apart."
    aliases = ("grad-cam++", "gradcam++")
    capabilities = Capabilities(needs_layer=True, one_sided=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The quotient is divided by G^2 first: 1 / (2 + sum(A) G) neither underflows nor needs an epsilon."""
        layer = evidence.get(LayerEvidence())
        gradients, activations = over_space(layer.gradients), over_space(layer.activations)
        below = 2 + activations.sum(-1, keepdim=True) * gradients
        defined = (gradients != 0) & (below != 0)
        alpha = defined / below.masked_fill(~defined, 1.0)
        return Reduced(weighted_sum((alpha * gradients.clamp(min=0)).sum(-1), layer.activations))
