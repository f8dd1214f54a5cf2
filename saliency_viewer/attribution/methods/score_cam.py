"""Score-CAM (Wang et al. 2020, arXiv 1910.01279, equations 3 and 4).

Each channel, enlarged and scaled to 0..1, masks the input; the softmax of the masked scores weights the channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.cam import weighted_sum
from saliency_viewer.attribution.needs import ChannelScores, LayerEvidence, Need
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class ScoreCAMParameters:
    """Whether similar channels share a pass."""

    clusters: int = parameter(
        0,
        label="Clusters",
        help="0 runs every channel, as published. Else channels of similar shape share one pass: an approximation.",
        minimum=0,
        maximum=4096,
    )


class ScoreCAM(Method):
    """No gradient: one forward pass for each channel. Flat channels mask nothing and leave before the softmax."""

    id = "score-cam"
    label = "Score-CAM"
    reference = "Wang et al. 2020, arXiv:1910.01279"
    summary = "Feature maps weighted by the score of the image seen through them; no gradient, many passes."
    capabilities = Capabilities(needs_layer=True, one_sided=True)
    Parameters = ScoreCAMParameters

    def needs(self, parameters: ScoreCAMParameters) -> tuple[Need, ...]:
        """Activations at the layer, and the score under each of them."""
        return (LayerEvidence(), ChannelScores(parameters.clusters))

    def reduce(self, evidence: Evidence, parameters: ScoreCAMParameters) -> Reduced:
        """sum_k softmax_k(f(x * mask_k)) A_k."""
        import torch

        found = evidence.get(ChannelScores(parameters.clusters))
        scores = torch.where(found.defined, found.scores, -torch.inf)
        # Where all channels are flat there is no evidence, and the softmax of nothing is no number.
        weights = torch.softmax(scores, 1).masked_fill(~found.defined.any(1, keepdim=True), 0.0)
        channels = int(found.defined.sum(1).max())
        clustered = 0 < found.passes < channels
        note = f"{found.passes} clusters stand for {channels} channels" if clustered else ""
        return Reduced(weighted_sum(weights, evidence.get(LayerEvidence()).activations), approximation=note)
