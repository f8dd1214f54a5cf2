"""LRP epsilon-gamma-box (Montavon et al. 2019, sections 10.2 and 10.3; the box rule of Montavon et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from saliency_viewer.attribution.methods.lrp import LRP, LRPParameters
from saliency_viewer.domain import parameter


@dataclass(frozen=True)
class LRPGammaParameters(LRPParameters):
    """The stabiliser, and how much more contributions of a unit's own sign count."""

    gamma: float = parameter(
        0.25,
        label="Gamma",
        help="Contributions of a unit's own sign count 1 + gamma times; more gives smoother maps.",
        minimum=0.0,
        maximum=100.0,
    )


class LRPEpsilonGammaBox(LRP):
    """The box rule at the image uses the smallest and largest value that a pixel could have had."""

    id = "lrp-epsilon-gamma-box"
    label = "LRP ε-γ-box"
    reference = "Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10; Montavon et al. 2017"
    summary = "LRP with the γ rule, and a rule at the image that knows its range of values."
    composite = "epsilon-gamma-box"
    bounded = True
    Parameters = LRPGammaParameters

    def options(self, parameters: LRPGammaParameters) -> tuple[tuple[str, float], ...]:
        """Both parameters."""
        return (*super().options(parameters), ("gamma", parameters.gamma))
