"""Whether the highest values lie in the region. All look at the ranks of the signed values."""

from __future__ import annotations

import numpy as np

from saliency_viewer.measure.evidence import RegionEvidence, pieces
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
    a constant map would score above its prevalence). Equal values enter together, so a constant map gives pi. Each
    voxel of R adds 1 / |R| to the recall, so the sum is the mean over R of the precision at the voxel's own value.
    """
    if region.missing or region.whole.is_zero:
        return undefined(region.missing or NO_EVIDENCE)
    total = 0.0
    for thresholds in pieces(region.ordered):
        inside = region.voxels - np.searchsorted(region.ordered, thresholds, side="left")
        total += float((inside / region.whole.at_least(thresholds)).sum())
    return Measured(total / region.voxels, region.share, region.left_out)
