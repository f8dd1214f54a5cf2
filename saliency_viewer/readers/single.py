"""A study of one series from one file, for formats without studies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from saliency_viewer.domain import Series, Study, Volume
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry, orientation_name


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


def _stable_id(path: Path) -> str:
    """An id for files that carry none: by size and first bytes, since a path can hold a name."""
    with path.open("rb") as stream:
        head = stream.read(65536)
    return "file-" + hashlib.sha256(str(path.stat().st_size).encode() + head).hexdigest()[:16]
