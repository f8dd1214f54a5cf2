"""How far two maps of one image agree, each number beside what chance would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap
from saliency_viewer.measure.chance import Shifts, Spectrum
from saliency_viewer.measure.ranks import Mask, Memory, seen_by_all
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


def agreement(first: AttributionMap, second: AttributionMap, memory: Memory | None = None) -> tuple[Agreement, ...]:
    """Rank correlation (of signed values and of sizes), overlap of the highest 10 %, distance of the peaks.

    Both maps lie on one grid, else :class:`UserError`; voxels that either model did not see are left out.

    * ``rank_correlation``: Spearman's rho of the raw signed values: do both say "for" and "against" at the same places?
    * ``rank_correlation_abs``: the same of absolute values: do both look at the same places?
    * ``iou_top_10``: intersection over union of the 10 % of voxels with the highest signed values.
    * ``peak_distance``: millimetres between the highest values; undefined without calibration or without a peak.

    ``memory`` keeps what was found out of a single map for its next pair.
    """
    require_same_grid(first.geometry, second.geometry, "The second map")
    seen = seen_by_all((first, second))
    if not seen.any():
        names = ("rank_correlation", "rank_correlation_abs", "iou_top_10")
        return (
            *(Agreement(name, None, note=_NOTHING) for name in names),
            Agreement("peak_distance", None, "mm", note=_NOTHING),
        )
    one, other = (_Side(amap, seen, memory or Memory()) for amap in (first, second))
    shifts = Shifts(seen, planar=bool(first.slices or second.slices) or first.geometry.is_planar)
    return (
        _correlation("rank_correlation", one, other, shifts, sizes=False),
        _correlation("rank_correlation_abs", one, other, shifts, sizes=True),
        _overlap(one, other, shifts),
        _peak_distance(first, second, seen),
    )


class _Side:
    """One of the two maps: what is asked of it in every pair that it stands in."""

    def __init__(self, amap: AttributionMap, seen: Mask, memory: Memory) -> None:
        self._amap, self._seen, self._memory = amap, seen, memory

    def ranks(self, sizes: bool) -> NDArray[np.float64]:
        """1D ranks, about their mean."""
        ranks = self._memory.ranks(self._amap, self._seen, sizes)
        return np.asarray(ranks - ranks.mean())

    def rank_spectrum(self, sizes: bool, shifts: Shifts) -> Spectrum:
        """The ranks, ready to be moved."""
        ranks = self._memory.ranks(self._amap, self._seen, sizes)
        what = f"spectrum of {'sizes' if sizes else 'values'}{shifts.planar}"
        return self._memory.once(self._amap, self._seen, what, lambda: shifts.of_values(_on_grid(ranks, self._seen)))

    def top(self) -> Mask | None:
        """:func:`highest` of its values."""
        return self._memory.once(self._amap, self._seen, "top", lambda: highest(self._amap.array[self._seen]))

    def top_spectrum(self, top: Mask, shifts: Shifts) -> Spectrum:
        """The set of the highest values, ready to be moved."""
        what = f"spectrum of top{shifts.planar}"
        return self._memory.once(self._amap, self._seen, what, lambda: shifts.of_set(_on_grid(top, self._seen)))


def _correlation(name: str, one: _Side, other: _Side, shifts: Shifts, sizes: bool) -> Agreement:
    a, b = one.ranks(sizes), other.ranks(sizes)
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if size <= 0.0:
        return Agreement(name, None, note=_CONSTANT)
    rho = float(np.clip((a * b).sum() / size, -1.0, 1.0))
    spectra = [side.rank_spectrum(sizes, shifts) for side in (one, other)]
    return Agreement(name, rho, chance=shifts.correlation_of(spectra[0], spectra[1]))


def _on_grid(values: NDArray[Any], seen: Mask) -> NDArray[Any]:
    out = np.zeros(seen.shape, dtype=values.dtype)
    out[seen] = values
    return out


def _overlap(one: _Side, other: _Side, shifts: Shifts) -> Agreement:
    top, other_top = one.top(), other.top()
    if top is None or other_top is None:
        return Agreement("iou_top_10", None, note=_UNDECIDED)
    value = float((top & other_top).sum() / (top | other_top).sum())
    spectra = one.top_spectrum(top, shifts), other.top_spectrum(other_top, shifts)
    return Agreement("iou_top_10", value, chance=shifts.iou_of(*spectra))


def highest(values: NDArray[np.float32]) -> Mask | None:
    """Which of the values are the highest 10 % (at least one); equal ones at the border count all.

    None when that would make them more than twice as many: the map then does not say which they are.
    """
    count = max(1, round(TOP * len(values)))
    border = np.partition(values, len(values) - count)[len(values) - count]
    chosen: Mask = values >= border
    return chosen if int(chosen.sum()) <= 2 * count else None


def _peak_distance(first: AttributionMap, second: AttributionMap, seen: Mask) -> Agreement:
    why = next((words for amap in (first, second) if (words := _why_no_peak(amap.array[seen]))), "")
    if why:
        return Agreement("peak_distance", None, "mm", note=why)
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


def _why_no_peak(values: NDArray[np.float32]) -> str:
    """Why the highest of what both maps saw is at no place of its own; empty where it is."""
    if not values.any():
        return "a map is zero everywhere"
    if values.min() == values.max():
        return _CONSTANT
    return "a map has no positive evidence" if values.max() == 0.0 else ""
