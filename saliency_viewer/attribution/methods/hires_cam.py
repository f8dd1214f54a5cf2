"""HiResCAM (Draelos and Carin 2021, arXiv 2011.08891, equation 4): sum_k G_k * A_k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class HiResCAM(Method):
    """With one linear layer behind the layer, the map's sum plus the bias is the logit."""

    id = "hires-cam"
    label = "HiResCAM"
    reference = "Draelos and Carin 2021, arXiv:2011.08891"
    summary = "Activations times gradients, position by position: only what the model used."
    capabilities = Capabilities(needs_layer=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k G_k A_k."""
        layer = evidence.get(LayerEvidence())
        return Reduced((layer.gradients * layer.activations).sum(1, keepdim=True))
