"""Guided integrated gradients (Kapishnikov et al. 2021, arXiv 2106.09788): a path that avoids steep places.

Defaults as in PAIR's code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import BaselineScore, GuidedPath, Need
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class GuidedIGParameters:
    """How the path adapts."""

    steps: int = parameter(200, label="Steps", help="Gradients on the way, one after another.", minimum=1, maximum=5000)
    fraction: float = parameter(
        0.25, label="Fraction", help="Part of the positions that move in one step.", minimum=0.001, maximum=1.0
    )
    distance: float = parameter(
        0.02, label="Distance", help="How far the path may stray from the straight line; 0 is the line itself.",
        unit="of the way", minimum=0.0, maximum=1.0,
    )  # fmt: skip


class GuidedIG(Method):
    """With distance 0 it is integrated gradients by a left sum."""

    id = "guided-ig"
    label = "Guided integrated gradients"
    reference = "Kapishnikov et al. 2021, arXiv:2106.09788"
    summary = "Integrated gradients along a path that leaves noisy directions for last."
    capabilities = Capabilities(additive=True)
    Parameters = GuidedIGParameters

    def needs(self, parameters: GuidedIGParameters) -> tuple[Need, ...]:
        """The guided path, and the baseline's score for the residual."""
        return (_path(parameters), BaselineScore())

    def reduce(self, evidence: Evidence, parameters: GuidedIGParameters) -> Reduced:
        """The integral."""
        return Reduced(evidence.get(_path(parameters)), evidence.score - evidence.get(BaselineScore()))


def _path(parameters: GuidedIGParameters) -> GuidedPath:
    return GuidedPath(parameters.steps, parameters.fraction, parameters.distance)
