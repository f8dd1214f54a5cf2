"""Studies of one file, for formats without studies: one series, or one for each of its volumes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from saliency_viewer.domain import Series, Study, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers.voxels import Stored, read_array, read_colour
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry, orientation_name

MOST_SERIES = 4096  # of one file; who has more time points wants another program


def one_series(
    path: Path,
    geometry: Geometry,
    load: Callable[[RunContext], Volume],
    *,
    modality: str,
    description: str,
    encoding: str,
    warnings: tuple[str, ...] = (),
) -> Study:
    """Study and series of a file that holds one image."""
    slices, rows, columns = geometry.shape
    series = Series(
        uid=_stable_id(path),
        number=1,
        modality=modality,
        description=description,
        rows=rows,
        columns=columns,
        slices=slices,
        spacing_mm=None if geometry.calibration == "none" else geometry.spacing,
        orientation=orientation_name(geometry),
        transfer_syntax=encoding,
        loader=load,
        warnings=warnings,
    )
    return Study(str(path), (series,), uid=series.uid)


def stored_study(
    path: Path, stored: Stored, geometry: Geometry, *, description: str, encoding: str, warnings: tuple[str, ...]
) -> Study:
    """Every volume of ``stored`` as a series of its own, which reads that volume only."""
    count = min(stored.images, MOST_SERIES)
    if count < stored.images:
        warnings += (f"The file holds {stored.images} volumes; the first {count} are listed.",)
    first = one_series(
        path,
        geometry,
        _loader(stored, 0, geometry, warnings),
        modality="OT",  # these formats do not say
        description=description,
        encoding=encoding,
        warnings=warnings,
    )
    return first if count == 1 else _parted(first, stored, geometry, count)


def _parted(study: Study, stored: Stored, geometry: Geometry, count: int) -> Study:
    """A study of one series as one of the first ``count`` volumes, all of one shape."""
    (one,) = study.series
    series = tuple(
        replace(
            one,
            uid=one.uid if not position else f"{one.uid}#{position + 1}",
            number=position + 1,
            description=f"{one.description} · volume {position + 1} of {stored.images}",
            loader=_loader(stored, position, geometry, one.warnings),
        )
        for position in range(count)
    )
    return replace(study, series=series)


def _loader(
    stored: Stored, position: int, geometry: Geometry, warnings: tuple[str, ...]
) -> Callable[[RunContext], Volume]:
    def load(context: RunContext) -> Volume:
        if stored.colour:
            grey, colour = read_colour(stored, position, context)
            return Volume(grey, geometry, "OT", value_range=(0.0, 255.0), colour=colour, warnings=warnings)
        return Volume(read_array(stored, position, context), geometry, "OT", warnings=warnings)

    return load


def _stable_id(path: Path) -> str:
    """An id for files that carry none: by size and first bytes, since a path can hold a name."""
    try:
        with path.open("rb") as stream:
            head = stream.read(65536)
        size = path.stat().st_size
    except OSError as error:
        raise UserError("The file may not be read.", "Check that it is still there.", type(error).__name__) from error
    return "file-" + hashlib.sha256(str(size).encode() + head).hexdigest()[:16]
