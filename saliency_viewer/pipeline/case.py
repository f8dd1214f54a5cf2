"""One case from plan to files: run, measure, export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saliency_viewer.domain import AnalysisPlan, AnalysisResult, RegionSet, StatisticRow
from saliency_viewer.errors import UserError
from saliency_viewer.exporters import case_identifier, export_maps, file_sha256
from saliency_viewer.measure import region_statistics
from saliency_viewer.pipeline.analysis import run_plan
from saliency_viewer.pipeline.services import Services
from saliency_viewer.runtime.context import RunContext

TRAINING_CASE = "training case"  # in the note of every number about a case that the model was trained on
_COMPUTED = 0.9  # share of the time before files are written


@dataclass(frozen=True)
class CaseFields:
    """What the user's table says about a case; an empty ``subject`` becomes an anonymous name."""

    subject: str = ""
    patient: str = ""
    session: str = ""
    label: str = ""
    group: str = ""


@dataclass(frozen=True, eq=False)
class CaseOutcome:
    """What one case gave.

    ``name`` stands in file names, ``files`` are what was written, ``inputs`` the digests of what was read.
    """

    fields: CaseFields
    name: str
    result: AnalysisResult
    rows: tuple[StatisticRow, ...]
    files: tuple[Path, ...]
    inputs: tuple[dict[str, Any], ...]


def measure_case(result: AnalysisResult, regions: RegionSet | None, fields: CaseFields) -> tuple[StatisticRow, ...]:
    """Region statistics of every map, with the columns that say which case and which answer it was."""
    # Without regions the whole image still has its numbers, which the cohort plots are drawn from.
    drawn = regions if regions is not None else RegionSet(result.volume.geometry)
    note = (TRAINING_CASE,) if result.is_training_case else ()
    return tuple(
        replace(
            row,
            subject=fields.subject,
            patient=fields.patient,
            session=fields.session,
            label=fields.label,
            group=fields.group,
            predicted=result.prediction.label,
            probability=result.prediction.probability,
            model=result.card.name,
            note="; ".join((*note, *([row.note] if row.note else []))),
        )
        for amap in result.maps
        for row in region_statistics(amap, drawn)
    )


def explain_case(
    plan: AnalysisPlan,
    services: Services,
    out: Path,
    region_files: Sequence[Path] = (),
    fields: CaseFields | None = None,
    context: RunContext | None = None,
    name: str = "",
) -> CaseOutcome:
    """Compute ``plan``, measure its regions and write the case's files below ``out``.

    ``name`` is the case's name in file names, the subject by default. Raises :class:`UserError`
    for bad input, a mask of another grid or a full disk; nothing half-written stays.
    """
    context = context or RunContext()
    # Regions first: a mask of the wrong shape should not cost the user the time of the maps.
    volume = services.image(plan.image, context.part(0.0, 0.05)).volume
    regions = combined_regions(region_files, RegionSet(volume.geometry))
    known_as = (fields.subject, fields.patient) if fields is not None else ()
    result = run_plan(plan, services, context.part(0.05, _COMPUTED), known_as)
    result = replace(result, warnings=(*result.warnings, *regions.warnings))
    context.report(_COMPUTED, "Writing files")
    outcome = export_case(plan, result, regions, out, fields, name, region_files)
    context.report(1.0, "Done")
    return outcome


def export_case(
    plan: AnalysisPlan,
    result: AnalysisResult,
    regions: RegionSet | None,
    out: Path,
    fields: CaseFields | None = None,
    name: str = "",
    region_files: Sequence[Path] = (),
) -> CaseOutcome:
    """Measure and write what was computed; the window's export and :func:`explain_case` end here alike.

    Raises :class:`UserError` when there is no map or the disk refuses; nothing half-written stays.
    """
    if not result.maps:
        raise _no_map(result)
    named = fields or CaseFields()
    if not named.subject:
        named = replace(named, subject=case_identifier(result.image_hash))
    shown = regions if regions is not None and len(regions) else None
    rows = measure_case(result, shown, named)
    file_name = name or named.subject
    files = export_maps(result, shown, out, file_name, named.label)
    return CaseOutcome(named, file_name, result, rows, tuple(files), _inputs(plan, result, region_files))


def combined_regions(files: Sequence[Path], start: RegionSet) -> RegionSet:
    """Regions of all ``files`` on ``start``'s grid, with names and colours of their own."""
    from saliency_viewer.readers import load_regions

    found = start
    for path in files:
        loaded = load_regions(path, start.geometry)
        for region in loaded.regions:
            found = found.with_new(region)
        found = replace(found, warnings=tuple(dict.fromkeys((*found.warnings, *loaded.warnings))))
    return found


def _no_map(result: AnalysisResult) -> UserError:
    if not result.failures:
        return UserError("There is no map to export.", "Choose a method and compute its map first.")
    failure = result.failures[0]
    return UserError(f"No requested method gives a map: {failure.message}", failure.hint)


def _inputs(plan: AnalysisPlan, result: AnalysisResult, region_files: Sequence[Path]) -> tuple[dict[str, Any], ...]:
    image = {"kind": "image", "sha256": result.image_hash, "path": plan.image.path}
    masks = [{"kind": "regions", "sha256": file_sha256(path), "path": str(path)} for path in region_files]
    return (image, *masks)
