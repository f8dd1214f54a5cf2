"""RISE (Petsiuk et al. 2018, arXiv 1806.07421, equation 6): mean score times mask over p."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import Need, RandomMasks
from saliency_viewer.domain import parameter

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


@dataclass(frozen=True)
class RISEParameters:
    """Number and kind of the masks."""

    samples: int = parameter(
        1000, label="Masks", help="Forward passes; the map's error says if enough.", minimum=2, maximum=100000
    )
    cells: int = parameter(
        7,
        label="Cells",
        help="Coarse cells along each axis; as many as pixels masks each pixel alone.",
        minimum=1,
        maximum=4096,
    )
    probability: float = parameter(0.5, label="Kept", help="Chance that a cell is kept.", minimum=0.01, maximum=0.99)
    fill: str = parameter(
        "zero",
        label="Hidden parts",
        help="What hidden parts become: zero as published, or the baseline.",
        choices=("zero", "baseline"),
    )


class RISE(Method):
    """For a linear f and masks of single pixels its expectation is p f(x) + (1 - p) w x.

    The map belongs to all channels of a position together: each channel holds its share, so that the channels' sum is
    the published map.
    """

    id = "rise"
    label = "RISE"
    reference = "Petsiuk et al. 2018, arXiv:1806.07421"
    summary = "Mean score of the image under random masks that show each place; no gradient, many passes."
    capabilities = Capabilities()
    Parameters = RISEParameters

    def needs(self, parameters: RISEParameters) -> tuple[Need, ...]:
        """Scores under random masks."""
        return (_masks(parameters),)

    def reduce(self, evidence: Evidence, parameters: RISEParameters) -> Reduced:
        """Mean of score times mask over p."""
        found = evidence.get(_masks(parameters))
        channels = evidence.inputs.shape[1]
        values = (found.mean / parameters.probability / channels).expand_as(evidence.inputs).clone()
        error = None if found.error is None else found.error.flatten(1).mean(1) / parameters.probability / channels
        return Reduced(values, standard_error=error)


def _masks(parameters: RISEParameters) -> RandomMasks:
    fill: Literal["zero", "baseline"] = "zero" if parameters.fill == "zero" else "baseline"
    return RandomMasks(parameters.samples, parameters.cells, parameters.probability, fill)
