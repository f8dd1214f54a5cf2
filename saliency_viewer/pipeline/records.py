"""The manifest's content, with paths and identities only where the user asked for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import saliency_viewer
from saliency_viewer.domain import RESEARCH_NOTICE, AnalysisPlan, AttributionMap
from saliency_viewer.errors import UserError
from saliency_viewer.exporters import file_sha256, library_versions
from saliency_viewer.pipeline.case import CaseOutcome

DONE, FAILED = "done", "failed"

Entry = dict[str, Any]


def plan_record(plan: AnalysisPlan, identify: bool) -> dict[str, Any]:
    """The plan without its image: that stands among the inputs. Paths and UIDs only with ``identify``."""
    record = plan.to_dict()
    if identify:
        return record
    series = plan.image.series
    # A number chooses among series; a UID would lead back to the patient.
    number = series if series is not None and series.isdigit() else None
    record["image"] = {"series": number, "grid": plan.image.grid}
    del record["model"]
    return record


def done_entry(outcome: CaseOutcome, fingerprint: str, out: Path, identify: bool) -> Entry:
    """The manifest's entry of a case that gave maps."""
    result = outcome.result
    return {
        "subject": outcome.name,
        "status": DONE,
        "session": outcome.fields.session,
        "statistics": len(outcome.rows),
        "statistics_subject": outcome.fields.subject,
        "fingerprint": fingerprint,
        "model": {
            "name": result.card.name,
            "version": result.card.version,
            "sha256": result.model_hash,
            "fold": result.fold,
        },
        "training_case": result.is_training_case,
        "predicted": result.prediction.label,
        "aggregate": result.prediction.aggregate,
        "key_slices": list(result.slices),
        "inputs": [_input(item, identify) for item in outcome.inputs],
        "outputs": [_output(path, out) for path in outcome.files],
        "failures": [{"method": f.method, "message": f.message, "hint": f.hint} for f in result.failures],
        "warnings": list(result.warnings),
        "maps": [_map_record(amap) for amap in result.maps],
        "seconds": round(result.seconds, 3),
    }


def failed_entry(name: str, place: str, error: UserError) -> Entry:
    """The manifest's entry of a case that gave nothing."""
    return {
        "subject": name,
        "status": FAILED,
        "place": place,
        "message": error.message,
        "hint": error.hint,
        "detail": error.detail,
        "inputs": [],
        "outputs": [],
    }


def manifest_data(
    command: str,
    plan: AnalysisPlan,
    entries: Sequence[Entry],
    shared_outputs: Iterable[Path],
    out: Path,
    seconds: float,
    identify: bool,
) -> dict[str, Any]:
    """Everything that ``manifest.json`` says."""
    models = {entry["model"]["sha256"]: entry["model"] for entry in entries if "model" in entry}
    return {
        "program": "Saliency Viewer",
        "version": saliency_viewer.__version__,
        "notice": RESEARCH_NOTICE,
        "command": command,
        "libraries": library_versions(),
        "models": sorted(models.values(), key=lambda model: str(model["sha256"])),
        "plan": plan_record(plan, identify),
        "seed": plan.seed,
        "identified": identify,
        "cases": list(entries),
        "inputs": [item for entry in entries for item in entry["inputs"]],
        "outputs": [item for entry in entries for item in entry["outputs"]]
        + [_output(path, out) for path in shared_outputs],
        "failures": [_failure(entry, item) for entry in entries for item in _failures(entry)],
        "seconds": round(seconds, 3),
    }


def _failures(entry: Entry) -> list[dict[str, str]]:
    if entry["status"] == FAILED:
        return [{"message": entry["message"], "hint": entry["hint"]}]
    return list(entry["failures"])


def _failure(entry: Entry, item: Mapping[str, str]) -> dict[str, str]:
    return {"subject": entry["subject"], **item}


def _input(item: Mapping[str, Any], identify: bool) -> dict[str, Any]:
    return {key: value for key, value in item.items() if identify or key != "path"}


def _output(path: Path, out: Path) -> dict[str, Any]:
    return {
        "path": path.relative_to(out).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": file_sha256(path),
    }


def _map_record(amap: AttributionMap) -> dict[str, Any]:
    """How one map came about and how far it can be believed."""
    made = amap.provenance
    return {
        "method": amap.method,
        "target": amap.target,
        "parameters": dict(made.parameters),
        "layer": made.layer,
        "baseline": made.baseline,
        "device": made.device,
        "badge": amap.validity.badge,
        "badge_text": amap.validity.text,
        "residual": amap.residual,
        "standard_error": amap.standard_error,
        "notes": list(made.notes),
        "seconds": round(made.seconds, 3),
    }
