"""What no region holds: the part of the evidence that a reader should worry about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saliency_viewer.domain import OUTSIDE_REGIONS, Region
from saliency_viewer.measure.evidence import MapEvidence, RegionEvidence


class OutsideEvidence(RegionEvidence):
    """Omega without every region; overlapping regions count once."""

    @property
    def missing(self) -> str:
        """Why nothing can be said, or an empty string."""
        return "" if self.voxels else "nothing that the model saw lies outside the regions"

    @property
    def left_out(self) -> str:
        """Nothing is left out of a rest."""
        return ""


def outside_evidence(whole: MapEvidence, regions: Sequence[Region]) -> OutsideEvidence:
    """The values of Omega that lie in none of ``regions``."""
    rest = np.isfinite(whole.amap.array)
    if whole.organ is not None:
        rest &= whole.organ
    for region in regions:
        rest[region.box] &= ~region.patch
    values = np.asarray(whole.amap.array[rest], dtype=np.float32)
    return OutsideEvidence(whole, OUTSIDE_REGIONS, values, len(values))
