"""`info PATH`: what is in there."""

from __future__ import annotations

import argparse
import json
from typing import Any

from saliency_viewer.cli.anonymous import unreadable_name, without_identity
from saliency_viewer.cli.console import say
from saliency_viewer.domain import Identity, Series, Study


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `info`'s options."""
    parser.add_argument("path", metavar="PATH", help="DICOM folder, NIfTI, image, ...")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--identify", action="store_true", help="show patient name, ID, dates and UIDs")


def run(options: argparse.Namespace) -> int:
    """Describe the study at the path."""
    from saliency_viewer.readers import open_study

    study = open_study(options.path)
    record = describe(study, options.identify)
    if options.json:
        say(json.dumps(record, indent=2, ensure_ascii=False))
    else:
        _say(record)
    return 0


def describe(study: Study, identify: bool) -> dict[str, Any]:
    """JSON-ready description; names, dates and UIDs only with ``identify``."""
    record: dict[str, Any] = {
        "series": [_describe(series, identify) for series in study.series],
        "unreadable": [
            {"path": item.path if identify else unreadable_name(position, item.path), "reason": item.reason}
            for position, item in enumerate(study.unreadable, start=1)
        ],
    }
    if not identify:
        blanked: dict[str, Any] = without_identity(record, *study.identities)
        return blanked
    return {"patient": _patient(study.identity), "study_uid": study.uid, "studies": _studies(study), **record}


def _studies(study: Study) -> list[dict[str, Any]]:
    """Every patient's every study, in the order of the series; what only the whole knows stands for all."""
    found: dict[tuple[str, str, Identity], dict[str, Any]] = {}
    for series in study.series:
        who = study.identity if series.identity == Identity() else series.identity
        uid = series.study_uid or study.uid
        about = {"group": series.group, "study_uid": uid, "patient": _patient(who), "others": list(who.others)}
        found.setdefault((series.group, uid, who), about)
    return list(found.values())


def _patient(identity: Identity) -> dict[str, str]:
    return {
        "name": identity.patient_name,
        "id": identity.patient_id,
        "birth_date": identity.birth_date,
        "study_date": identity.study_date,
    }


def _describe(series: Series, identify: bool) -> dict[str, Any]:
    spacing = series.spacing_mm
    return {
        "number": series.number,
        "group": series.group,
        "modality": series.modality,
        "description": series.description,
        "body_part": series.body_part,
        "view": series.view,
        "rows": series.rows,
        "columns": series.columns,
        "slices": series.slices,
        "spacing_mm": None
        if spacing is None
        else [value if value is None else round(float(value), 6) for value in spacing],
        "calibration": series.calibration,
        "orientation": series.orientation,
        "grids": list(series.grids),
        "transfer_syntax": series.transfer_syntax,
        "warnings": list(series.warnings),
        **({"uid": series.uid, "study_uid": series.study_uid} if identify else {}),
    }


def _say(record: dict[str, Any]) -> None:
    for about in record.get("studies", ()):
        _say_who(about)
    group = ""
    for series in record["series"]:
        if series["group"] != group:
            group = series["group"]
            say(f"{group[:1].upper()}{group[1:]}:")
        _say_series(series)
    for item in record["unreadable"]:
        say(f"Unreadable {item['path']}: {item['reason']}")


def _say_who(about: dict[str, Any]) -> None:
    patient = about["patient"]
    if about["group"]:
        say(f"{about['group'][:1].upper()}{about['group'][1:]}:")
    say(f"Patient {patient['name']} (ID {patient['id']}, born {patient['birth_date'] or 'unknown'})")
    say(f"Study of {patient['study_date'] or 'unknown date'}, UID {about['study_uid']}")


def _say_series(series: dict[str, Any]) -> None:
    title = " ".join(filter(None, (series["modality"], series["description"])))
    say(f"Series {series['number']}: {title or 'no description'}")
    say(f"  size            {series['slices']} x {series['rows']} x {series['columns']} (slices, rows, columns)")
    spacing = series["spacing_mm"]
    words = "not calibrated" if spacing is None else _millimetres(spacing, series["calibration"])
    say(f"  spacing         {words}")
    say(f"  orientation     {series['orientation']}")
    if len(series["grids"]) > 1:
        say(f"  grids           {', '.join(series['grids'])} (--grid; the first is the usual one)")
    say(f"  transfer syntax {series['transfer_syntax'] or 'none'}")
    if "uid" in series:
        say(f"  UID             {series['uid']}")
    for warning in series["warnings"]:
        say(f"  warning: {warning}")


def _millimetres(spacing: list[float | None], calibration: str) -> str:
    """Of pictures without places only the distances within a picture are lengths."""
    where = " at the detector" if calibration == "detector" else ""
    return " x ".join(f"{value:g}" for value in spacing if value is not None) + " mm" + where
