"""SmoothGrad-Squared (Hooker et al. 2019, arXiv 1806.10758, section 3.2): the mean squared gradient over noisy inputs.

It is what PAIR's code gives under the name SmoothGrad with ``magnitude=True``; here it has its own name.
"""

from __future__ import annotations

from saliency_viewer.attribution.methods.base import Capabilities
from saliency_viewer.attribution.methods.smooth_grad import SmoothGrad


class SmoothGradSquared(SmoothGrad):
    """Never negative; shares its noisy gradients with SmoothGrad and VarGrad of equal parameters."""

    id = "smooth-grad-squared"
    label = "SmoothGrad²"
    reference = "Hooker et al. 2019, arXiv:1806.10758"
    summary = "The mean squared gradient over noisy copies of the image: where it is sensitive, either way."
    capabilities = Capabilities(signed=False, one_sided=True)
    statistic = "mean square"
