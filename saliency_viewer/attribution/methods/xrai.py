"""XRAI (Kapishnikov et al. 2019, arXiv 1906.02825): segments of the image, ranked by their integrated gradients.

As in PAIR's code: integrated gradients from a black and from a white image, their mean, the largest over channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, PathGradients
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class XRAIParameters:
    """Quadrature nodes of each of the two paths, and how far segments are widened."""

    steps: int = parameter(20, label="Nodes", help="Points of each of the two paths.", minimum=1, maximum=2000)
    dilation: int = parameter(
        5,
        label="Dilation",
        help="How far segments are widened, so that they hold their edges.",
        unit="pixels",
        minimum=0,
        maximum=50,
    )


class XRAI(Method):
    """Every position gets the mean attribution of the segment that brought it in, the densest segments first.

    The map belongs to all channels of a position together: each channel holds its share, so that their sum is the map.
    """

    id = "xrai"
    label = "XRAI"
    reference = "Kapishnikov et al. 2019, arXiv:1906.02825"
    summary = "Whole segments of the image, ranked by the integrated gradients inside them."
    capabilities = Capabilities()
    Parameters = XRAIParameters

    def needs(self, parameters: XRAIParameters) -> tuple[Need, ...]:
        """Integrated gradients from black and from white."""
        return tuple(PathGradients(parameters.steps, end) for end in _ENDS)

    def reduce(self, evidence: Evidence, parameters: XRAIParameters) -> Reduced:
        """Segments of each image, ranked by their mean attribution."""
        import torch

        from saliency_viewer.attribution.baselines import make_baseline
        from saliency_viewer.attribution.segments import ranked_segments, segments_of

        parts = [
            (evidence.inputs - make_baseline(end, evidence.inputs)) * evidence.get(PathGradients(parameters.steps, end))
            for end in _ENDS
        ]
        density = (sum(parts) / len(parts)).amax(1)
        maps = [
            ranked_segments(d.double().cpu().numpy(), segments_of(x.double().cpu().numpy(), parameters.dilation))
            for d, x in zip(density, evidence.inputs, strict=True)
        ]
        shared = torch.stack([torch.as_tensor(found) for found in maps])[:, None] / evidence.inputs.shape[1]
        return Reduced(shared.to(evidence.inputs).expand_as(evidence.inputs).clone())


_ENDS: tuple[Literal["minimum", "maximum"], ...] = ("minimum", "maximum")
