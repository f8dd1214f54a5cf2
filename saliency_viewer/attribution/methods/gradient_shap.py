"""Gradient SHAP (Lundberg and Lee 2017, arXiv 1705.07874; expected gradients of Erion et al. 2021).

E[grad f(x0 + u (x + e - x0)) * (x - x0)] with u uniform in 0..1 and noise e, in antithetic pairs (u, e), (1 - u, -e).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.smooth_grad import noise_level
from saliency_viewer.attribution.needs import BaselineScore, Need, RandomPathGradients
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class GradientSHAPParameters:
    """Number of random points and the noise at the input's end."""

    samples: int = parameter(25, label="Samples", help="Random points of the path.", minimum=2, maximum=5000)
    sigma: float = noise_level(0.0, "; 0 as in SHAP")


class GradientSHAP(Method):
    """Exact for a linear network; without noise an unbiased estimate of integrated gradients."""

    id = "gradient-shap"
    label = "Gradient SHAP"
    reference = "Lundberg and Lee 2017, arXiv:1705.07874; Erion et al. 2021"
    summary = "Integrated gradients by random points of the path, with their statistical error."
    capabilities = Capabilities(additive=True)
    Parameters = GradientSHAPParameters

    def needs(self, parameters: GradientSHAPParameters) -> tuple[Need, ...]:
        """Gradients at random points, and the baseline's score for the residual."""
        return (RandomPathGradients(parameters.samples, parameters.sigma), BaselineScore())

    def reduce(self, evidence: Evidence, parameters: GradientSHAPParameters) -> Reduced:
        """Mean gradient times the difference from the baseline."""
        from saliency_viewer.attribution.moments import average_error

        found = evidence.get(RandomPathGradients(parameters.samples, parameters.sigma))
        difference = evidence.inputs - evidence.baseline
        error = None if found.mean_error is None else average_error(found.mean_error * difference.abs())
        return Reduced(found.mean * difference, evidence.score - evidence.get(BaselineScore()), error)
