"""Deconvolution (Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53, section 2.1).

The backward pass of every ReLU passes positive gradients, whether the unit was active or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, RulePass

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence

_DECONVOLUTION = RulePass("deconvolution")


class DeconvNet(Method):
    """Refused for the same networks as guided backpropagation."""

    id = "deconvnet"
    label = "Deconvolution"
    reference = "Zeiler and Fergus 2014, doi:10.1007/978-3-319-10590-1_53"
    summary = "Gradients that pass rectifiers only where they are positive; nearly an edge detector."
    aliases = ("deconvolution",)
    capabilities = Capabilities()

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """One backward pass with the deconvolution rule."""
        return (_DECONVOLUTION,)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The pass's result at the input."""
        return Reduced(evidence.get(_DECONVOLUTION))
