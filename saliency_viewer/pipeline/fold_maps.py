"""The maps of an ensemble: the mean of its folds' maps, which lie on one grid.

For methods that are linear in the network (gradient, integrated gradients, occlusion, ...) that is exactly the map of
the ensemble's mean logit. The others, class activation maps above all, have no meaning for several networks at once
other than this mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from saliency_viewer.domain import AttributionMap, Validity
from saliency_viewer.domain.maps import Badge

_BEST_FIRST: tuple[Badge, ...] = ("verified", "approximate", "failed", "not defined")


def mean_map(maps: Sequence[AttributionMap], folds: Sequence[str], model_hash: str, fold: str) -> AttributionMap:
    """The mean of one method's maps, one of each fold; as valid as the least valid of them."""
    first = maps[0]
    if len(maps) == 1:
        return first
    array = np.asarray(np.mean([amap.array for amap in maps], axis=0, dtype=np.float64), dtype=np.float32)
    note = f"mean of the maps of folds {', '.join(folds)}"
    provenance = replace(
        first.provenance,
        model_hash=model_hash,
        fold=fold,
        seconds=sum(amap.provenance.seconds for amap in maps),
        notes=(*dict.fromkeys(text for amap in maps for text in amap.provenance.notes), note),
    )
    residuals = [amap.residual for amap in maps if amap.residual is not None]
    errors = [amap.standard_error for amap in maps if amap.standard_error is not None]
    return replace(
        first,
        array=array,
        validity=_least(amap.validity for amap in maps),
        provenance=provenance,
        residual=max(residuals, key=abs) if residuals else None,
        # One seed gives all folds the same noise, so that their errors do not cancel.
        standard_error=float(np.mean(errors)) if errors else None,
    )


def _least(validities: Iterable[Validity]) -> Validity:
    return max(validities, key=lambda validity: _BEST_FIRST.index(validity.badge))
