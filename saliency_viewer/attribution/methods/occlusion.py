"""Occlusion (Zeiler and Fergus 2014, arXiv 1311.2901): how much the score falls when a patch is covered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, OccludedScores
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence, Occluded


@dataclass(frozen=True)
class OcclusionParameters:
    """Size and distance of the patches."""

    size: int = parameter(
        15, label="Patch", help="Edge of the covered square or cube.", unit="pixels", minimum=1, maximum=1000
    )
    stride: int = parameter(
        8,
        label="Step",
        help="Distance between patches, at most their edge; smaller is finer and slower.",
        unit="pixels",
        minimum=1,
        maximum=1000,
    )


class Occlusion(Method):
    """f(x) - f(x with a patch of the baseline), given to every position of the patch; overlaps: their mean.

    All channels are covered together, so each gets an equal part of the change: their sum, which is what the program
    shows, is the change of the score itself. Of a linear f the change is the exact sum of w (x - x0) over the patch.
    """

    id = "occlusion"
    label = "Occlusion"
    reference = "Zeiler and Fergus 2014, arXiv:1311.2901"
    summary = "How much the score falls when a patch of the image is covered."
    capabilities = Capabilities()
    Parameters = OcclusionParameters

    def needs(self, parameters: OcclusionParameters) -> tuple[Need, ...]:
        """The score's change for each patch."""
        return (OccludedScores(parameters.size, parameters.stride),)

    def reduce(self, evidence: Evidence, parameters: OcclusionParameters) -> Reduced:
        """Mean change of the patches over a position, divided among the channels."""
        found: Occluded = evidence.get(OccludedScores(parameters.size, parameters.stride))
        inputs, changes = evidence.inputs, found.changes
        samples, channels, *spatial = inputs.shape
        total = changes.new_zeros((samples, 1, *spatial))
        patches = changes.new_zeros(spatial)
        for number, box in enumerate(found.boxes.tolist()):
            place: tuple[Any, ...] = (..., *(slice(first, stop) for first, stop in box))
            total[place] += changes[:, number].reshape(-1, *[1] * (len(spatial) + 1))
            patches[place] += 1
        mean = total / patches / channels
        return Reduced(mean.to(inputs.dtype).repeat(1, channels, *[1] * len(spatial)))
