"""The cases of a batch: from a table or a folder."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from saliency_viewer.domain import ImageReference, Study
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.case import CaseFields

_REQUIRED = ("subject", "image")
_OWN_COLUMNS = ("subject", "image", "patient", "session", "label", "group", "regions", "model", "fold", "series")
_SINGLE_FILE_SUFFIXES = (
    ".nii",
    ".nii.gz",
    ".nrrd",
    ".mha",
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".tif",
    ".tiff",
    ".zip",
)
_TABLE_HELP = "It needs a first line with column names, among them subject and image."
_SEVERAL = ";"

Opener = Callable[[str], Study]


@dataclass(frozen=True)
class Case:
    """One line of a cohort. ``place`` says where it stands in the cohort without naming a patient."""

    image: ImageReference
    fields: CaseFields
    place: str
    regions: tuple[Path, ...] = field(default=(), repr=False)
    model: str = field(default="", repr=False)
    fold: str = ""
    covariates: Mapping[str, str] = field(default_factory=dict)


def read_cohort(path: Path, open_study: Opener) -> tuple[Case, ...]:
    """Cases of a CSV file or of a folder.

    In a folder every subfolder, every single-file image and every series among loose DICOM files is a
    case. Raises :class:`UserError` when there is none, or when a table is not as described.
    """
    if path.is_dir():
        cases = _of_folder(path, open_study)
    elif path.is_file():
        cases = _of_table(path)
    else:
        raise UserError("There is no such cohort file or folder.", "Check the spelling of the path.")
    if not cases:
        raise UserError("The cohort holds no case.", "Give a CSV table with at least one row, or a folder of studies.")
    return cases


def _of_folder(folder: Path, open_study: Opener) -> tuple[Case, ...]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    singles = [entry for entry in entries if entry.is_file() and entry.name.lower().endswith(_SINGLE_FILE_SUFFIXES)]
    loose = [entry for entry in entries if entry.is_file() and entry not in singles and _may_be_dicom(entry)]
    if loose and not singles:
        # Slices of one scan, or one radiograph a file: the series tell which.
        study = open_study(str(folder))
        references = [ImageReference(str(folder), one.uid or str(one.number)) for one in study.series]
        # A file that cannot be read is a case that fails, not one that never was.
        references += [ImageReference(str(folder / one.path)) for one in study.unreadable]
    else:
        folders = [entry for entry in entries if entry.is_dir() and any(entry.iterdir())]
        references = [ImageReference(str(entry)) for entry in sorted([*singles, *folders])]
    total = len(references)
    return tuple(
        Case(reference, CaseFields(), f"study {number} of {total}")
        for number, reference in enumerate(references, start=1)
    )


def _may_be_dicom(path: Path) -> bool:
    return path.suffix.lower() in ("", ".dcm", ".dicom", ".ima") or path.name.upper() == "DICOMDIR"


def _of_table(path: Path) -> tuple[Case, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(
            "The cohort file is no text table.",
            f"Give a CSV file in UTF-8 or a folder; a single study goes through 'explain'. {_TABLE_HELP}",
        ) from None
    except OSError as error:
        raise UserError("The cohort file cannot be read.", "Check that you may open it.") from error
    lines = text.splitlines()
    reader = csv.DictReader(lines, delimiter=_delimiter(lines[0] if lines else ""))
    columns = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise UserError(f"The cohort table has no column {' and no column '.join(missing)}.", _TABLE_HELP)
    reader.fieldnames = columns
    rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    cases = tuple(_case(row, number, path.parent) for number, row in enumerate(rows, start=1))
    return _with_distinct_subjects(cases)


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _case(row: Mapping[str, str], number: int, folder: Path) -> Case:
    empty = [name for name in _REQUIRED if not row.get(name)]
    if empty:
        raise UserError(f"Row {number} of the cohort table has no {empty[0]}.", "Fill it in or remove the row.")
    fields = CaseFields(**{name: row.get(name, "") for name in ("subject", "patient", "session", "label", "group")})
    regions = [part.strip() for part in row.get("regions", "").split(_SEVERAL) if part.strip()]
    model = row.get("model", "")
    return Case(
        image=ImageReference(_beside(folder, row["image"]), row.get("series") or None),
        fields=fields,
        place=f"row {number}",
        regions=tuple(Path(_beside(folder, part)) for part in regions),
        model=_beside(folder, model) if model else "",
        fold=row.get("fold", ""),
        covariates={name: value for name, value in row.items() if name not in _OWN_COLUMNS},
    )


def _beside(folder: Path, name: str) -> str:
    """A table's paths start from its own folder, or from the present one."""
    own = folder / name
    return name if not own.exists() and Path(name).exists() else str(own)


def file_name(fields: CaseFields, repeated: bool) -> str:
    """The name in a case's files: the subject, with the session where a subject has several; may be empty."""
    return f"{fields.subject}_{fields.session}" if repeated and fields.session else fields.subject


def _with_distinct_subjects(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    seen: dict[tuple[str, str], str] = {}
    for case in cases:
        key = (case.fields.subject, case.fields.session)
        if key in seen:
            raise UserError(
                f"The cohort table has the same subject in {seen[key]} and {case.place}.",
                "Give every row its own subject, or its own session beside the subject.",
            )
        seen[key] = case.place
    return cases
