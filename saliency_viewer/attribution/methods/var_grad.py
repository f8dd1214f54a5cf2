"""VarGrad (Adebayo et al. 2018, arXiv 1810.03292, appendix): the variance of the gradient over noisy inputs."""

from __future__ import annotations

from saliency_viewer.attribution.methods.base import Capabilities
from saliency_viewer.attribution.methods.smooth_grad import SmoothGrad


class VarGrad(SmoothGrad):
    """Zero for a linear network; shares its noisy gradients with SmoothGrad."""

    id = "var-grad"
    label = "VarGrad"
    reference = "Adebayo et al. 2018, arXiv:1810.03292"
    summary = "How much the gradient varies over noisy copies of the image."
    capabilities = Capabilities(signed=False, one_sided=True)
    statistic = "variance"
