"""How much of the evidence lies in a region."""

from __future__ import annotations

from saliency_viewer.measure.evidence import RegionEvidence
from saliency_viewer.measure.measured import Measured, undefined

NO_POSITIVE = "no positive evidence anywhere in the map"
NO_EVIDENCE = "no evidence: the map is zero everywhere"


def mass_fraction(region: RegionEvidence) -> Measured:
    """M = sum of the positive part in R / the same in Omega; held against pi, what a constant map gives."""
    total = region.whole.positive_sum
    if region.missing or total <= 0.0:
        return undefined(region.missing or NO_POSITIVE)
    return Measured(_fraction(region.positive_sum, total), region.share, region.left_out)


def mass_fraction_abs(region: RegionEvidence) -> Measured:
    """The same of absolute values, so that evidence against the target counts like evidence for it."""
    total = region.whole.positive_sum - region.whole.negative_sum
    if region.missing or total <= 0.0:
        return undefined(region.missing or NO_EVIDENCE)
    return Measured(_fraction(region.positive_sum - region.negative_sum, total), region.share, region.left_out)


def enrichment(region: RegionEvidence) -> Measured:
    """E = M / pi: how many times more than chance; held against 1."""
    mass = mass_fraction(region)
    if mass.value is None:
        return mass
    return Measured(mass.value / region.share, 1.0, mass.note)


def _fraction(part: float, total: float) -> float:
    # The two sums are added up in different orders, so their ratio may pass 1 by a rounding error.
    return min(part / total, 1.0)
