"""The table of region statistics."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap, RegionSet, StatisticRow
from saliency_viewer.errors import UserError
from saliency_viewer.measure import localisation, mass, moments, size
from saliency_viewer.measure.evidence import MapEvidence, RegionEvidence, WholeEvidence
from saliency_viewer.measure.measured import Statistic
from saliency_viewer.measure.outside import outside_evidence
from saliency_viewer.spatial import require_same_grid

RAW = "raw"  # the map's own unit, which depends on the method

MASS_STATISTICS: tuple[Statistic, ...] = (
    Statistic("mass_fraction", "", mass.mass_fraction),
    Statistic("mass_fraction_abs", "", mass.mass_fraction_abs),
    Statistic("enrichment", "", mass.enrichment),
)
VALUE_STATISTICS: tuple[Statistic, ...] = (
    Statistic("mean", RAW, moments.mean),
    Statistic("mean_abs", RAW, moments.mean_abs),
    Statistic("sd", RAW, moments.standard_deviation),
    Statistic("min", RAW, moments.minimum),
    Statistic("max", RAW, moments.maximum),
    Statistic("median", RAW, moments.median),
    Statistic("positive_sum", RAW, moments.positive_sum),
    Statistic("negative_sum", RAW, moments.negative_sum),
)
VOXELS = Statistic("voxels", "voxels", size.voxels)
VOLUME = Statistic("volume_ml", "ml", size.volume_ml)
AREA = Statistic("area_mm2", "mm2", size.area_mm2)
LOCALISATION_STATISTICS: tuple[Statistic, ...] = (
    Statistic("pointing_hit", "", localisation.pointing_hit),
    Statistic("average_precision", "", localisation.average_precision),
    Statistic("rank_accuracy", "", localisation.rank_accuracy),
)
OUTSIDE_STATISTICS = (*MASS_STATISTICS, VOXELS)
WHOLE_STATISTICS = (*VALUE_STATISTICS, VOXELS)


def region_statistics(
    amap: AttributionMap, regions: RegionSet, organ: NDArray[np.generic] | None = None
) -> tuple[StatisticRow, ...]:
    """Every statistic of every region, the masses outside all of them, and the map as a whole.

    Parameters
    ----------
    amap:
        A raw signed map. Display settings do not exist here, so they cannot change a number.
    regions:
        Regions on the map's grid; :class:`UserError` when the grids differ.
    organ:
        (slice, row, column) mask on the same grid that becomes Omega; without it Omega is everything that the
        model saw. Region voxels outside Omega do not count.

    Returns
    -------
    Rows in the order of the regions, then "outside regions" (when there is a region), then "whole image".
    An undefined statistic has the value None and the reason in ``note``. ``docs/statistics.md`` defines each.
    """
    require_same_grid(amap.geometry, regions.geometry, "The set of regions")
    if organ is not None and not isinstance(organ, np.ndarray):
        raise UserError("The organ is no mask.", "Give an array of the map's shape, for instance RegionSet.mask(name).")
    whole = MapEvidence(amap, organ)
    extent = AREA if amap.geometry.is_planar else VOLUME
    statistics = (*MASS_STATISTICS, *VALUE_STATISTICS, VOXELS, extent, *LOCALISATION_STATISTICS)
    rows: list[StatisticRow] = []
    for region in regions.regions:
        rows.extend(_rows(RegionEvidence.of(whole, region), statistics))
    if len(regions):
        rows.extend(_rows(outside_evidence(whole, regions.regions), (*OUTSIDE_STATISTICS, extent)))
    rows.extend(_rows(WholeEvidence.everything(whole), (*WHOLE_STATISTICS, extent)))
    return tuple(rows)


def _rows(region: RegionEvidence, statistics: Iterable[Statistic]) -> list[StatisticRow]:
    amap = region.whole.amap
    rows = []
    for statistic in statistics:
        found = statistic.compute(region)
        rows.append(
            StatisticRow(
                method=amap.method,
                target=amap.target,
                model=amap.provenance.model_name,
                region=region.name,
                statistic=statistic.name,
                value=found.value,
                unit=statistic.unit,
                reference=found.reference,
                note=found.note,
            )
        )
    return rows
