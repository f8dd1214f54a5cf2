"""How far two maps of one image agree, each number beside what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap
from saliency_viewer.measure.chance import Shifts
from saliency_viewer.measure.ranks import Mask, Ranks, seen_by_all
from saliency_viewer.spatial import require_same_grid

TOP = 0.1  # the share of voxels that the overlap looks at
_NOTHING = "the two maps have no voxel in common"
_CONSTANT = "a map is the same everywhere"
_UNDECIDED = "which voxels are the highest 10 % is not decided: many are equal"


@dataclass(frozen=True)
class Agreement:
    """One number: ``value`` None is undefined for the reason in ``note``; ``chance`` as in :mod:`.chance`."""

    statistic: str
    value: float | None
    unit: str = ""
    chance: float | None = None
    note: str = ""


def agreement(first: AttributionMap, second: AttributionMap, ranks: Ranks | None = None) -> tuple[Agreement, ...]:
    """Rank correlation (of signed values and of sizes), overlap of the highest 10 %, distance of the peaks.

    Both maps lie on one grid, else :class:`UserError`; voxels that either model did not see are left out.

    * ``rank_correlation``: Spearman's rho of the raw signed values: do both say "for" and "against" at the same places?
    * ``rank_correlation_abs``: the same of absolute values: do both look at the same places?
    * ``iou_top_10``: intersection over union of the 10 % of voxels with the highest signed values.
    * ``peak_distance``: millimetres between the highest values; undefined without calibration.
    """
    require_same_grid(first.geometry, second.geometry, "The second map")
    seen = seen_by_all((first, second))
    if not seen.any():
        names = ("rank_correlation", "rank_correlation_abs", "iou_top_10")
        return (
            *(Agreement(name, None, note=_NOTHING) for name in names),
            Agreement("peak_distance", None, "mm", note=_NOTHING),
        )
    ranks = ranks or Ranks()
    shifts = Shifts(seen, planar=bool(first.slices or second.slices) or first.geometry.is_planar)
    signed, sizes = ([ranks.of(amap, seen, of_sizes) for amap in (first, second)] for of_sizes in (False, True))
    return (
        _correlation("rank_correlation", signed, seen, shifts),
        _correlation("rank_correlation_abs", sizes, seen, shifts),
        _overlap((first.array[seen], second.array[seen]), seen, shifts),
        _peak_distance(first, second, seen),
    )


def _correlation(name: str, ranks: list[NDArray[np.float64]], seen: Mask, shifts: Shifts) -> Agreement:
    a, b = (one - one.mean() for one in ranks)
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if size <= 0.0:
        return Agreement(name, None, note=_CONSTANT)
    rho = float(np.clip((a * b).sum() / size, -1.0, 1.0))
    grids = [_on_grid(one, seen) for one in ranks]
    return Agreement(name, rho, chance=shifts.chance_correlation(grids[0], grids[1]))


def _on_grid(values: NDArray[np.float64], seen: Mask) -> NDArray[np.float64]:
    out = np.zeros(seen.shape)
    out[seen] = values
    return out


def _overlap(pair: tuple[NDArray[np.float32], NDArray[np.float32]], seen: Mask, shifts: Shifts) -> Agreement:
    tops = [highest(values) for values in pair]
    if tops[0] is None or tops[1] is None:
        return Agreement("iou_top_10", None, note=_UNDECIDED)
    value = float((tops[0] & tops[1]).sum() / (tops[0] | tops[1]).sum())
    grids = []
    for top in tops:
        grid = np.zeros(seen.shape, dtype=np.bool_)
        grid[seen] = top
        grids.append(grid)
    return Agreement("iou_top_10", value, chance=shifts.chance_iou(grids[0], grids[1]))


def highest(values: NDArray[np.float32]) -> Mask | None:
    """Which of the values are the highest 10 % (at least one); equal ones at the border count all.

    None when that would make them more than twice as many: the map then does not say which they are.
    """
    count = max(1, round(TOP * len(values)))
    border = np.partition(values, len(values) - count)[len(values) - count]
    chosen: Mask = values >= border
    return chosen if int(chosen.sum()) <= 2 * count else None


def _peak_distance(first: AttributionMap, second: AttributionMap, seen: Mask) -> Agreement:
    if first.is_empty() or second.is_empty():
        return Agreement("peak_distance", None, "mm", note="a map is zero everywhere")
    geometry = first.geometry
    if geometry.calibration == "none":
        return Agreement("peak_distance", None, "mm", note="the image has no calibration in millimetres")
    peaks = [
        np.unravel_index(int(np.argmax(np.where(seen, amap.array, -np.inf))), seen.shape) for amap in (first, second)
    ]
    if peaks[0][0] != peaks[1][0] and not geometry.through_space:
        return Agreement("peak_distance", None, "mm", note="the peaks are in frames at different times")
    ends = [geometry.to_patient([float(place) for place in peak]) for peak in peaks]
    note = "at the detector" if geometry.calibration == "detector" else ""
    return Agreement("peak_distance", float(np.linalg.norm(ends[0] - ends[1])), "mm", note=note)
