"""Grad-CAM without its ReLU (Captum's LayerGradCam with ``relu_attributions=False``; used by Sümer et al. 2023)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.grad_cam import GradCAM
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class LayerGradCAM(Method):
    """Grad-CAM as it is before its ReLU: negative values speak against the class."""

    id = "layer-grad-cam"
    label = "Layer Grad-CAM"
    reference = "Selvaraju et al. 2017, arXiv:1610.02391; Sümer et al. 2023, PMLR 219"
    summary = "Grad-CAM with both signs."
    capabilities = Capabilities(needs_layer=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k mean(G_k) A_k."""
        return GradCAM().reduce(evidence, parameters)
