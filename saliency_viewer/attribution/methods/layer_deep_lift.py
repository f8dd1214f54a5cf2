"""Layer DeepLIFT (Captum's LayerDeepLift; used by Sümer et al. 2023): DeepLIFT's contributions at the target layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Multipliers, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class LayerDeepLIFT(Method):
    """The sum over channels; over all positions it sums to f(x) - f(x0) when every way passes the layer."""

    id = "layer-deep-lift"
    label = "Layer DeepLIFT"
    reference = "Shrikumar et al. 2017, arXiv:1704.02685; Sümer et al. 2023, PMLR 219"
    summary = "DeepLIFT at the last feature maps: what each region of them adds to the score."
    capabilities = Capabilities(needs_layer=True, additive=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Multipliers at the layer."""
        return (Multipliers(at_layer=True),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """Contributions summed over channels."""
        found = evidence.get(Multipliers(at_layer=True))
        values = found.contributions.sum(1, keepdim=True)
        return Reduced(values, expected_sum=evidence.score - found.start_score)
