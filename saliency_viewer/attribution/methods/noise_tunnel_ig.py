"""Noise-tunnel integrated gradients (Kokhlikyan et al. 2020, arXiv 2009.07896, NoiseTunnel over integrated gradients).

The mean, the mean square or the variance of integrated gradients over noisy inputs. Captum's noise is absolute, with
a standard deviation of 1 when nothing is said; here it is a part of the input's range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.smooth_integrated_gradients import SmoothPathParameters, noisy_paths
from saliency_viewer.attribution.needs import Need
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class NoiseTunnelParameters(SmoothPathParameters):
    """Which statistic of the noisy maps is shown."""

    statistic: str = parameter(
        "mean",
        label="Statistic",
        help="Captum's names: mean is smoothgrad, mean square is smoothgrad_sq, variance is vargrad.",
        choices=("mean", "mean square", "variance"),
    )


class NoiseTunnelIG(Method):
    """With the mean it is smooth integrated gradients, and shares its passes."""

    id = "noise-tunnel-ig"
    label = "Noise tunnel (integrated gradients)"
    reference = "Kokhlikyan et al. 2020, arXiv:2009.07896; Smilkov et al. 2017"
    summary = "Mean, mean square or variance of integrated gradients over noisy copies of the image."
    capabilities = Capabilities()
    Parameters = NoiseTunnelParameters

    def needs(self, parameters: NoiseTunnelParameters) -> tuple[Need, ...]:
        """Paths to noisy inputs."""
        return (noisy_paths(parameters),)

    def reduce(self, evidence: Evidence, parameters: NoiseTunnelParameters) -> Reduced:
        """The chosen statistic of the stream."""
        values, error = evidence.get(noisy_paths(parameters)).of(parameters.statistic)
        return Reduced(values, standard_error=error)
