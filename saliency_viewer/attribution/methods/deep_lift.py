"""DeepLIFT with the rescale rule (Shrikumar et al. 2017, arXiv 1704.02685): delta-out / delta-in at activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Multipliers, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class DeepLIFT(Method):
    """Sums to f(x) - f(x0) exactly, up to rounding; not defined for attention and layer normalisation."""

    id = "deep-lift"
    label = "DeepLIFT"
    reference = "Shrikumar et al. 2017, arXiv:1704.02685"
    summary = "Shares the difference from an empty image among the pixels, activation by activation."
    aliases = ("deeplift",)
    capabilities = Capabilities(additive=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Multipliers at the input."""
        return (Multipliers(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """Multiplier times difference."""
        found = evidence.get(Multipliers())
        return Reduced(found.contributions, expected_sum=evidence.score - found.start_score)
