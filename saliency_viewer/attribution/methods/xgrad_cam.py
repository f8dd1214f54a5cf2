"""XGrad-CAM (Fu et al. 2020, arXiv 2008.02312, equation 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.respond_cam import RespondCAM
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class XGradCAM(Method):
    """Its weights are Respond-CAM's, which were found for 3D before; XGrad-CAM ends with a ReLU."""

    id = "xgrad-cam"
    label = "XGrad-CAM"
    reference = "Fu et al. 2020, arXiv:2008.02312"
    summary = "Grad-CAM with gradients averaged by activation."
    capabilities = Capabilities(needs_layer=True, one_sided=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k w_k A_k with w_k = sum(A_k G_k) / sum(A_k)."""
        return RespondCAM().reduce(evidence, parameters)
