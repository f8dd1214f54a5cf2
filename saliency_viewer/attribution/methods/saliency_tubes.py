"""Saliency Tubes (Stergiou et al. 2019, arXiv 1902.01078, equation 1): class weights times activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.cam import weighted_sum
from saliency_viewer.attribution.needs import HeadWeights, LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class SaliencyTubes(Method):
    """Needs a head of one global average and one linear layer; equals N times Grad-CAM before its ReLU there."""

    id = "saliency-tubes"
    label = "Saliency Tubes"
    reference = "Stergiou et al. 2019, arXiv:1902.01078"
    summary = "The class's own weights times the last feature maps; no gradient needed."
    capabilities = Capabilities(needs_layer=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations at the layer and the head's weights."""
        return (LayerEvidence(), HeadWeights())

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k w_k A_k."""
        return Reduced(weighted_sum(evidence.get(HeadWeights()), evidence.get(LayerEvidence()).activations))
