"""`info PATH`: what is in there."""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from saliency_viewer.cli.console import say
from saliency_viewer.domain import Identity, Series, Study

_SHORTEST_NAME = 3
_LONG_NAME = 5  # letters from which a name is blanked within a word too: SMITHJOHN, but not the "lee" of "sleep"
_FREE_TEXT = ("description", "path")  # where people write names; the other values come from the standard's lists
_WORD = re.compile(r"[\w-]+")


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
    """JSON-ready description; names and UIDs only with ``identify``."""
    record: dict[str, Any] = {
        "series": [_describe(series, identify) for series in study.series],
        "unreadable": [{"path": item.path, "reason": item.reason} for item in study.unreadable],
    }
    if not identify:
        blanked: dict[str, Any] = without_identity(record, study.identity)
        return blanked
    return {
        "patient": {
            "name": study.identity.patient_name,
            "id": study.identity.patient_id,
            "birth_date": study.identity.birth_date,
            "study_date": study.identity.study_date,
        },
        "study_uid": study.uid,
        **record,
    }


def _describe(series: Series, identify: bool) -> dict[str, Any]:
    spacing = series.spacing_mm
    return {
        "number": series.number,
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
        "orientation": series.orientation,
        "transfer_syntax": series.transfer_syntax,
        "warnings": list(series.warnings),
        **({"uid": series.uid} if identify else {}),
    }


def without_identity(value: Any, identity: Identity) -> Any:
    """``value`` with the patient's names and numbers blanked in every free text, at any depth."""
    texts = (identity.patient_name, identity.patient_id, identity.birth_date)
    words = {word for text in texts for word in (text, *_WORD.findall(text)) if len(word) >= _SHORTEST_NAME}
    if not words:
        return value
    longest_first = sorted(words, key=len, reverse=True)
    return _blanked(value, re.compile("|".join(map(_pattern, longest_first)), re.IGNORECASE), False)


def _pattern(word: str) -> str:
    inside = re.escape(word)
    return inside if len(word) >= _LONG_NAME else rf"(?<![^\W_]){inside}(?![^\W_])"


def _blanked(value: Any, pattern: re.Pattern[str], free: bool) -> Any:
    if isinstance(value, str):
        return pattern.sub("[removed]", value) if free else value
    if isinstance(value, list):
        return [_blanked(item, pattern, free) for item in value]
    if isinstance(value, dict):
        return {key: _blanked(item, pattern, key in _FREE_TEXT) for key, item in value.items()}
    return value


def _say(record: dict[str, Any]) -> None:
    if "patient" in record:
        patient = record["patient"]
        say(f"Patient {patient['name']} (ID {patient['id']}, born {patient['birth_date'] or 'unknown'})")
        say(f"Study of {patient['study_date'] or 'unknown date'}, UID {record['study_uid']}")
    for series in record["series"]:
        title = " ".join(filter(None, (series["modality"], series["description"])))
        say(f"Series {series['number']}: {title or 'no description'}")
        say(f"  size            {series['slices']} x {series['rows']} x {series['columns']} (slices, rows, columns)")
        spacing = series["spacing_mm"]
        words = "not calibrated" if spacing is None else _millimetres(spacing)
        say(f"  spacing         {words}")
        say(f"  orientation     {series['orientation']}")
        say(f"  transfer syntax {series['transfer_syntax'] or 'none'}")
        if "uid" in series:
            say(f"  UID             {series['uid']}")
        for warning in series["warnings"]:
            say(f"  warning: {warning}")
    for item in record["unreadable"]:
        say(f"Unreadable {item['path']}: {item['reason']}")


def _millimetres(spacing: list[float | None]) -> str:
    """Of pictures in time only the distances within a picture are lengths."""
    return " x ".join(f"{value:g}" for value in spacing if value is not None) + " mm"
