"""VarGrad (Adebayo et al. 2018, arXiv 1810.03292, appendix): the variance of the gradient over noisy inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.smooth_grad import SmoothGradParameters
from saliency_viewer.attribution.needs import Need, NoisyGradients

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class VarGrad(Method):
    """Zero for a linear network; shares its noisy gradients with SmoothGrad."""

    id = "var-grad"
    label = "VarGrad"
    reference = "Adebayo et al. 2018, arXiv:1810.03292"
    summary = "How much the gradient varies over noisy copies of the image."
    capabilities = Capabilities(signed=False, one_sided=True)
    Parameters = SmoothGradParameters

    def needs(self, parameters: SmoothGradParameters) -> tuple[Need, ...]:
        """A stream of gradients at noisy inputs."""
        return (NoisyGradients(parameters.samples, parameters.sigma),)

    def reduce(self, evidence: Evidence, parameters: SmoothGradParameters) -> Reduced:
        """The stream's variance."""
        from saliency_viewer.attribution.moments import average_error

        found = evidence.get(NoisyGradients(parameters.samples, parameters.sigma))
        return Reduced(found.variance, standard_error=average_error(found.variance_error))
