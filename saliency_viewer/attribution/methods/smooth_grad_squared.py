"""SmoothGrad-Squared (Hooker et al. 2019, arXiv 1806.10758, section 3.2): the mean squared gradient over noisy inputs.

It is what PAIR's code gives under the name SmoothGrad with ``magnitude=True``; here it has its own name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.smooth_grad import SmoothGradParameters
from saliency_viewer.attribution.needs import Need, NoisyGradients

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class SmoothGradSquared(Method):
    """Never negative; shares its noisy gradients with SmoothGrad and VarGrad of equal parameters."""

    id = "smooth-grad-squared"
    label = "SmoothGrad²"
    reference = "Hooker et al. 2019, arXiv:1806.10758"
    summary = "The mean squared gradient over noisy copies of the image: where it is sensitive, either way."
    capabilities = Capabilities(signed=False, one_sided=True)
    Parameters = SmoothGradParameters

    def needs(self, parameters: SmoothGradParameters) -> tuple[Need, ...]:
        """A stream of gradients at noisy inputs."""
        return (NoisyGradients(parameters.samples, parameters.sigma),)

    def reduce(self, evidence: Evidence, parameters: SmoothGradParameters) -> Reduced:
        """The stream's mean square."""
        from saliency_viewer.attribution.moments import average_error

        found = evidence.get(NoisyGradients(parameters.samples, parameters.sigma))
        return Reduced(found.mean_square, standard_error=average_error(found.mean_square_error))
