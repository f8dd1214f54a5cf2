"""Guided Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, section 3.2): guided backpropagation times Grad-CAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.grad_cam import GradCAM
from saliency_viewer.attribution.methods.guided_backprop import GUIDED
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class GuidedGradCAM(Method):
    """Shares both passes with its two factors; not defined where guided backpropagation is not."""

    id = "guided-grad-cam"
    label = "Guided Grad-CAM"
    reference = "Selvaraju et al. 2017, arXiv:1610.02391"
    summary = "Guided backpropagation, kept only where Grad-CAM looks."
    capabilities = Capabilities()

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Both factors' evidence."""
        return (LayerEvidence(), GUIDED)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """Guided gradient * upsampled ReLU(Grad-CAM)."""
        from saliency_viewer.attribution.upsampling import upsample

        cam = GradCAM().reduce(evidence, parameters).values
        return Reduced(evidence.get(GUIDED) * upsample(cam, evidence.inputs.shape[2:]).clamp(min=0))
