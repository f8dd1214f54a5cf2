"""Region statistics of a map from a file, whoever made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from saliency_viewer.domain import AttributionMap, Grid, Provenance, RegionSet, StatisticRow, Validity
from saliency_viewer.exporters import write_statistics
from saliency_viewer.measure import region_statistics
from saliency_viewer.pipeline.case import combined_regions

FOREIGN_METHOD = "map from a file"


def measure_map(
    path: Path,
    region_files: Sequence[Path],
    out: Path,
    organ_file: Path | None = None,
    subject: str = "",
    on_warning: Callable[[str], None] | None = None,
    grid: Grid | None = None,
) -> tuple[StatisticRow, ...]:
    """Write the statistics of the map at ``path`` to the CSV file ``out``.

    The map is read as an image is; NaN means not seen. ``organ_file``: every region in it together is the
    organ. ``on_warning`` is told what is unusual about the files; ``grid`` is that of a map whose slices are
    unevenly spaced (see :class:`~saliency_viewer.domain.Series`). Raises :class:`UserError` when a file cannot be
    read or lies on another grid.
    """
    from saliency_viewer.readers import open_study

    volume = open_study(path).choose().load(grid=grid)
    amap = AttributionMap(
        array=np.asarray(volume.array, dtype=np.float32),
        geometry=volume.geometry,
        method=FOREIGN_METHOD,
        target="",
        validity=Validity("not defined", "The map was not computed here."),
        provenance=Provenance(FOREIGN_METHOD, {}, "", 0),
    )
    empty = RegionSet(volume.geometry)
    regions = combined_regions(region_files, empty)
    if on_warning is not None:
        for warning in dict.fromkeys((*volume.warnings, *regions.warnings)):
            on_warning(warning)
    organ = None
    if organ_file is not None:
        organ = np.zeros(volume.geometry.shape, dtype=bool)
        for region in combined_regions([organ_file], empty).regions:
            organ[region.box] |= region.patch
    rows = tuple(replace(row, subject=subject) for row in region_statistics(amap, regions, organ))
    write_statistics(rows, out)
    return rows
