"""LayerCAM (Jiang et al. 2021, IEEE Transactions on Image Processing 30, equation 5): sum_k relu(G_k) A_k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class LayerCAM(Method):
    """Every position has a weight of its own, so that early, fine layers stay fine."""

    id = "layer-cam"
    label = "LayerCAM"
    reference = "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943"
    summary = "Activations weighted by their own positive gradient; good for early, fine layers."
    capabilities = Capabilities(needs_layer=True, one_sided=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """sum_k relu(G_k) A_k."""
        layer = evidence.get(LayerEvidence())
        return Reduced((layer.gradients.clamp(min=0) * layer.activations).sum(1, keepdim=True))
