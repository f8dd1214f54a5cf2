"""Blur integrated gradients (Xu et al. 2020, arXiv 2004.03383): the path from a blurred image to the image itself.

Defaults as in PAIR's code: 50 pixels of blur, zeros outside the image. Gauss-Legendre nodes instead of its left sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import BlurPath, Need
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class BlurIGParameters:
    """How far the path goes and how finely."""

    steps: int = parameter(50, label="Nodes", help="Points of the path.", minimum=1, maximum=2000)
    sigma: float = parameter(
        50.0, label="Blur", help="Standard deviation where the path starts.", unit="pixels", minimum=0.1, maximum=500.0
    )
    border: str = parameter(
        "zero", label="Outside", help="What the blur finds outside the image.", choices=("zero", "nearest")
    )


class BlurIG(Method):
    """Needs no baseline but the blur; sums to f(x) - f(blurred x) up to the quadrature error."""

    id = "blur-ig"
    label = "Blur integrated gradients"
    reference = "Xu et al. 2020, arXiv:2004.03383"
    summary = "What each pixel adds to the score while the image comes into focus."
    capabilities = Capabilities(additive=True)
    Parameters = BlurIGParameters

    def needs(self, parameters: BlurIGParameters) -> tuple[Need, ...]:
        """Gradients along the blurs."""
        return (_path(parameters),)

    def reduce(self, evidence: Evidence, parameters: BlurIGParameters) -> Reduced:
        """The integral."""
        found = evidence.get(_path(parameters))
        return Reduced(found.values, expected_sum=evidence.score - found.start_score)


def _path(parameters: BlurIGParameters) -> BlurPath:
    return BlurPath(parameters.steps, parameters.sigma, "zero" if parameters.border == "zero" else "nearest")
