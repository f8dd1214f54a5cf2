"""Whether the highest values lie in the region. All look at the ranks of the signed values."""

from __future__ import annotations

import numpy as np

from saliency_viewer.measure.evidence import RegionEvidence
from saliency_viewer.measure.mass import NO_EVIDENCE, NO_POSITIVE
from saliency_viewer.measure.measured import Measured, undefined


def pointing_hit(region: RegionEvidence) -> Measured:
    """1 when the highest value lies in R, else 0; held against pi (Zhang et al. 2018, without a tolerance).

    When several voxels share the highest value it is the part of them inside R, so a constant map gives pi.
    """
    if region.missing or region.whole.is_zero:
        return undefined(region.missing or NO_EVIDENCE)
    highest = region.whole.ordered[-1]
    if highest <= 0.0:
        return undefined(NO_POSITIVE)
    everywhere = int(region.whole.at_least(highest))
    inside = int(np.count_nonzero(region.values == highest))
    return Measured(inside / everywhere, region.share, region.left_out)


def rank_accuracy(region: RegionEvidence) -> Measured:
    """Part of the |R| highest values that lie in R; held against pi (Arras et al. 2022, relevance rank accuracy).

    Values that tie at the threshold count by the part of them that fits, so a constant map gives pi.
    """
    if region.missing or region.whole.is_zero:
        return undefined(region.missing or NO_EVIDENCE)
    threshold = region.whole.ordered[region.whole.voxels - region.voxels]
    above = region.whole.above(float(threshold))
    tied = int(region.whole.at_least(threshold)) - above
    inside = int(np.count_nonzero(region.values > threshold))
    inside_tied = int(np.count_nonzero(region.values == threshold))
    hits = inside + inside_tied * (region.voxels - above) / tied
    return Measured(hits / region.voxels, region.share, region.left_out)


def average_precision(region: RegionEvidence) -> Measured:
    """Average precision of "value reaches a threshold" as a detector of R; held against the prevalence pi.

    The sum of precision times gain in recall over all distinct values (no trapezoid, which would flatter:
    a constant map would score above its prevalence). Equal values enter together, so a constant map gives pi.
    """
    if region.missing or region.whole.is_zero:
        return undefined(region.missing or NO_EVIDENCE)
    values, counts = np.unique(region.values, return_counts=True)
    inside = np.cumsum(counts[::-1])[::-1]  # values of R that reach each threshold
    precision = inside / region.whole.at_least(values)
    return Measured(float(precision @ counts) / region.voxels, region.share, region.left_out)
