"""Which cases a package's networks were trained on, and which fold of an ensemble did not see them.

The files name cases by digests: a package that travels takes no names along.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from saliency_viewer.domain import ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.files import PackageFiles, open_files

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CASE, _FOLD = "case", "fold"


@dataclass(frozen=True)
class CaseLists:
    """Digests of cases: those that one fold (its name) was not trained on, and those that all were trained on."""

    held_out: Mapping[str, str] = field(default_factory=dict)
    trained: frozenset[str] = frozenset()


def case_digest(text: str) -> str:
    """SHA-256 of a subject's or patient's identifier, without spaces around it, as 64 hex digits."""
    return hashlib.sha256(text.strip().encode()).hexdigest()


def case_table(cases: Iterable[str] | Mapping[str, str]) -> str:
    """The text of a list: digests of cases, or a mapping of digests to the fold that held them out."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if isinstance(cases, Mapping):
        writer.writerow((_CASE, _FOLD))
        writer.writerows(sorted(cases.items()))
    else:
        writer.writerow((_CASE,))
        writer.writerows((case,) for case in sorted(set(cases)))
    return stream.getvalue()


def read_case_lists(files: PackageFiles | str | Path, card: ModelCard) -> CaseLists:
    """The lists that ``card`` names, empty ones where it names none.

    Raises :class:`UserError` when a list is missing or not as described. No message repeats what stands in it.
    """
    package = files if isinstance(files, PackageFiles) else open_files(files)
    listed = _rows(package, card.held_out, (_CASE, _FOLD)) if card.held_out else ()
    held_out = {case: fold for case, fold in listed}
    folds = [fold.name for fold in card.folds]
    for fold in held_out.values():
        if fold not in folds:
            raise UserError(f"{card.held_out} names a fold '{fold}' that the package has not.", near_match(fold, folds))
    trained = _rows(package, card.training_cases, (_CASE,)) if card.training_cases else ()
    return CaseLists(held_out, frozenset(row[0] for row in trained))


def _rows(files: PackageFiles, name: str, columns: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    try:
        text = files.read(name).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{name} of the package is no text.", "Save it as a CSV table in UTF-8.") from None
    reader = csv.DictReader(text.splitlines())
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise UserError(
            f"{name} of the package has no column '{missing[0]}'.", f"Begin it with the line {','.join(columns)}."
        )
    found: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(reader, start=2):
        cells = tuple((row[column] or "").strip() for column in columns)
        case = cells[0].lower()
        if not _DIGEST.fullmatch(case):
            raise UserError(
                f"Line {number} of {name} names a case by something else than a digest.",
                "Write the SHA-256 of its identifier, 64 hex digits: a package must not carry names.",
            )
        if found.get(case, cells[1:]) != cells[1:]:
            raise UserError(f"Line {number} of {name} contradicts a line before it.", "Keep one line for each case.")
        found[case] = cells[1:]
    return tuple((case, *rest) for case, rest in found.items())
