"""The files of one case: figures, raw array and NIfTI for each method."""

from __future__ import annotations

import glob
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AnalysisResult, AttributionMap, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.exporters.identity import safe_name
from saliency_viewer.exporters.nifti import write_map_nifti
from saliency_viewer.exporters.pictures import write_png
from saliency_viewer.render import slice_figure, summary_figure
from saliency_viewer.runtime.files import write_bytes


def export_maps(
    result: AnalysisResult, regions: RegionSet | None, out: Path, subject: str, label: str = ""
) -> list[Path]:
    """Write ``out/<method>/<subject>/<subject>_<method>_*`` for every map; returns the paths.

    ``subject`` and ``label`` (the true class, for the summary's title) come from the user's own table
    and must be free of patient names. ``slice_NN`` counts from 0, as ``--slices`` does. Pictures of other slices that
    an earlier call left beside a map that is replaced are removed: they would show another map than the files say.
    Raises :class:`UserError` when the disk refuses; this call's files are then removed again.
    """
    written: list[Path] = []
    try:
        for amap in result.maps:
            _export_map(result, amap, regions, out, safe_name(subject), label, written)
    except (UserError, KeyboardInterrupt):
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def _export_map(
    result: AnalysisResult,
    amap: AttributionMap,
    regions: RegionSet | None,
    out: Path,
    subject: str,
    label: str,
    written: list[Path],
) -> None:
    folder = out / amap.method / subject
    stem = f"{subject}_{amap.method}"
    summary = summary_figure(
        result.volume,
        amap,
        result.slices,
        prediction=result.prediction,
        label=label,
        subject=subject,
        regions=regions,
    )
    written.append(write_png(summary, folder / f"{stem}_summary.png"))
    for index in result.slices:
        figure = slice_figure(result.volume, amap, index, regions=regions)
        written.append(write_png(figure, folder / f"{stem}_slice_{index:02d}.png"))
    written.append(write_npy(amap.array, folder / f"{stem}_attributions.npy"))
    written.append(write_map_nifti(amap, folder / f"{stem}_attributions.nii.gz"))
    for picture in folder.glob(f"{glob.escape(stem)}_slice_*.png"):
        if picture not in written:
            picture.unlink(missing_ok=True)


def write_npy(values: NDArray[np.float32], path: Path) -> Path:
    """Raw (slice, row, column) values as little-endian float32; NaN where a model saw nothing."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(values, dtype="<f4"), allow_pickle=False)
    write_bytes(path, stream.getvalue())
    return path
