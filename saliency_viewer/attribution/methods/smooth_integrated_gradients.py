"""Smooth integrated gradients (Smilkov et al. 2017, section 4; used by Arun et al. 2021).

The mean of integrated gradients over noisy inputs, all from the same baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.smooth_grad import noise_level
from saliency_viewer.attribution.needs import BaselineScore, Need, NoisyPaths
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class SmoothPathParameters:
    """Number and size of the perturbations, and quadrature nodes of each path."""

    samples: int = parameter(10, label="Samples", help="Noisy copies of the input.", minimum=2, maximum=1000)
    sigma: float = noise_level()
    steps: int = parameter(20, label="Nodes", help="Points of each path.", minimum=1, maximum=2000)


def noisy_paths(parameters: SmoothPathParameters) -> NoisyPaths:
    """What smooth integrated gradients and the noise tunnel both ask for."""
    return NoisyPaths(parameters.samples, parameters.sigma, parameters.steps)


class SmoothIntegratedGradients(Method):
    """Sums to the mean score of the noisy inputs minus the baseline's, up to the quadrature error."""

    id = "smooth-integrated-gradients"
    label = "Smooth integrated gradients"
    reference = "Smilkov et al. 2017, arXiv:1706.03825; Arun et al. 2021"
    summary = "The mean of integrated gradients over noisy copies of the image."
    aliases = ("smooth-ig",)
    capabilities = Capabilities(additive=True)
    Parameters = SmoothPathParameters

    def needs(self, parameters: SmoothPathParameters) -> tuple[Need, ...]:
        """Paths to noisy inputs."""
        return (noisy_paths(parameters), BaselineScore())

    def reduce(self, evidence: Evidence, parameters: SmoothPathParameters) -> Reduced:
        """The stream's mean."""
        found = evidence.get(noisy_paths(parameters))
        expected = found.mean_score - evidence.get(BaselineScore())
        values, error = found.of("mean")
        return Reduced(values, expected, error)
