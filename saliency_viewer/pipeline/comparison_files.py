"""What a comparison leaves in a folder; the command and the window write the same."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AGREEMENT_COLUMNS, AgreementRow, AnalysisPlan, Comparison, Contender, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.exporters import (
    as_written,
    cell,
    export_maps,
    safe_name,
    write_grid_nifti,
    write_manifest,
    write_npy,
    write_png,
    write_statistics,
    write_table,
)
from saliency_viewer.pipeline.case import CaseFields, CaseOutcome
from saliency_viewer.pipeline.comparison_slice import strongest_slice
from saliency_viewer.pipeline.records import Entry, done_entry, failed_entry, manifest_data
from saliency_viewer.render import Scale, comparison_figure

AGREEMENT, FIGURE = "agreement.csv", "comparison"
STRONGEST = "where the maps of all models together are strongest"


def export_comparison(
    comparison: Comparison,
    plan: AnalysisPlan,
    regions: RegionSet | None,
    out: Path,
    levels: Sequence[float] = (0.5,),
    scale: Scale = "method",
    identify: bool = False,
    region_files: Sequence[Mapping[str, str]] = (),
    index: int | None = None,
) -> Path:
    """Write figures, every model's maps, the tables, the disagreement maps and the manifest; returns ``out``.

    ``plan`` is that of any of the models; ``region_files`` are the manifest's entries of masks that were read;
    ``index`` is the slice of ``comparison.png``, None for the :func:`strongest_slice`. Raises :class:`UserError` when
    no model gave a map or the disk refuses.
    """
    started = time.perf_counter()
    shown = regions if regions is not None and len(regions) else None
    results = [one.result for one in comparison.contenders if one.result is not None]
    if not any(result.maps for result in results):
        raise UserError("There is no map to export.", "Choose a method that is defined for these models.")
    subject = comparison.statistics[0].subject if comparison.statistics else "case"
    image = {"kind": "image", "sha256": results[0].image_hash, "path": plan.image.path}
    inputs = (image, *(dict(item) for item in region_files))
    entries = [_entry(one, comparison, inputs, shown, out, subject, identify) for one in comparison.contenders]
    files = [
        *_figures(comparison, plan, shown, out, levels, scale, index),
        write_agreement(comparison.rows, out / AGREEMENT),
        write_statistics([as_written(row) for row in comparison.statistics], out / "attribution_statistics.csv"),
        *_disagreement(comparison.between_models, "models", comparison, out),
        *_disagreement(comparison.between_methods, "methods", comparison, out),
    ]
    data = manifest_data("compare", plan, entries, files, out, time.perf_counter() - started, identify)
    write_manifest(data, out / "manifest.json")
    return out


def write_agreement(rows: Sequence[AgreementRow], path: Path) -> Path:
    """Write ``agreement.csv``: six significant digits, empty where undefined."""
    cells = ([cell(getattr(row, column)) for column in AGREEMENT_COLUMNS] for row in rows)
    return write_table(AGREEMENT_COLUMNS, cells, path)


def _entry(
    one: Contender,
    comparison: Comparison,
    inputs: tuple[dict[str, str], ...],
    regions: RegionSet | None,
    out: Path,
    subject: str,
    identify: bool,
) -> Entry:
    """Write one model's maps; its entry in the manifest."""
    if one.result is None:
        return failed_entry(one.name, "one of the models", UserError(one.failure))
    files = export_maps(one.result, regions, out / safe_name(one.name), subject)
    rows = tuple(row for row in comparison.statistics if row.model == one.name)
    outcome = CaseOutcome(CaseFields(subject), one.name, one.result, rows, tuple(files), inputs)
    return done_entry(outcome, "", out, identify)


def _figures(
    comparison: Comparison,
    plan: AnalysisPlan,
    regions: RegionSet | None,
    out: Path,
    levels: Sequence[float],
    scale: Scale,
    index: int | None,
) -> list[Path]:
    """``comparison.png`` of one slice, and ``comparison_slice_NN.png`` of all key slices where there are several."""

    def figure(k: int, why: str = "") -> NDArray[np.uint8]:
        return comparison_figure(comparison, k, regions=regions, levels=levels, scale=scale, why=why)

    slices = list(plan.slices) or sorted(
        {index for one in comparison.contenders if one.result is not None for index in one.result.slices}
    )
    first = figure(strongest_slice(comparison, plan.slices), STRONGEST) if index is None else figure(index)
    written = [write_png(first, out / f"{FIGURE}.png")]
    if len(slices) > 1:
        written += [write_png(figure(k), out / f"{FIGURE}_slice_{k:02d}.png") for k in slices]
    return written


def _disagreement(
    ranges: Mapping[str, NDArray[np.float32]], over: str, comparison: Comparison, out: Path
) -> list[Path]:
    geometry = next(one.result.volume.geometry for one in comparison.contenders if one.result is not None)
    files = []
    for name, values in ranges.items():
        stem = out / "disagreement" / f"{safe_name(name)}_over_{over}"
        files.append(write_npy(values, stem.with_name(f"{stem.name}.npy")))
        files.append(write_grid_nifti(values, geometry, stem.with_name(f"{stem.name}.nii.gz"), f"rank range, {over}"))
    return files
