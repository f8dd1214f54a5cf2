"""SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825): the mean gradient over noisy copies of the input.

The samples come in antithetic pairs (x + e, x - e), which need about half as many samples for the same error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, NoisyGradients
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


def noise_level(default: float = 0.15, more: str = "") -> Any:
    """The field that every method over noisy inputs has; ``more`` is added to what the user reads."""
    return parameter(
        default,
        label="Noise",
        help=f"Standard deviation of the noise as a part of the input's range{more}.",
        unit="of range",
        minimum=0.0,
        maximum=2.0,
    )


@dataclass(frozen=True)
class SmoothGradParameters:
    """Number and size of the perturbations."""

    samples: int = parameter(
        25, label="Samples", help="Noisy copies of the input; more give a smoother map.", minimum=2, maximum=1000
    )
    sigma: float = noise_level()


class SmoothGrad(Method):
    """Equals the weights of a linear f for any noise; x^3 gives 3 x^2 + 3 sigma^2."""

    id = "smooth-grad"
    label = "SmoothGrad"
    reference = "Smilkov et al. 2017, arXiv:1706.03825"
    summary = "The mean gradient over noisy copies of the image."
    capabilities = Capabilities()
    Parameters = SmoothGradParameters
    statistic: ClassVar[str] = "mean"  # of the noisy gradients, see :meth:`~..moments.Moments.of`

    def needs(self, parameters: SmoothGradParameters) -> tuple[Need, ...]:
        """A stream of gradients at noisy inputs."""
        return (NoisyGradients(parameters.samples, parameters.sigma),)

    def reduce(self, evidence: Evidence, parameters: SmoothGradParameters) -> Reduced:
        """The stream's statistic."""
        values, error = evidence.get(NoisyGradients(parameters.samples, parameters.sigma)).of(self.statistic)
        return Reduced(values, standard_error=error)
