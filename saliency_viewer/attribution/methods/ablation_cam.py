"""Ablation-CAM (Desai and Ramaswamy 2020, WACV, equation 5): how much the score drops without each channel.

w_k = (f(x) - f(x without A_k)) / |f(x)|. The paper divides by f(x), which would turn the map round for negative logits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.cam import weighted_sum
from saliency_viewer.attribution.needs import ChannelAblation, LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class AblationCAM(Method):
    """No gradient; only the operators behind the layer run again for each channel."""

    id = "ablation-cam"
    label = "Ablation-CAM"
    reference = "Desai and Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360"
    summary = "Feature maps weighted by how much the score drops when each is taken away."
    capabilities = Capabilities(needs_layer=True, one_sided=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations at the layer, and the score without each channel."""
        return (LayerEvidence(), ChannelAblation())

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k w_k A_k."""
        found = evidence.get(ChannelAblation())
        # The score before comes from the same pass: small scores leave no room for another pass's rounding.
        before = found.before[:, None]
        drops, size = before - found.without, before.abs()
        weights = drops / size.masked_fill(size == 0, 1.0)
        return Reduced(weighted_sum(weights, evidence.get(LayerEvidence()).activations))
