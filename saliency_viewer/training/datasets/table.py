"""Tables of text: the delimiter is found, columns are forgiven their case, rows count as in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from saliency_viewer.errors import UserError

# What pandas and spreadsheets write where there is nothing.
_NOTHING = frozenset({"", "nan", "na", "n/a", "#n/a", "<na>", "null"})
_HEADER_HELP = "Its first line holds the names of the columns."


@dataclass(frozen=True)
class Row:
    """One line; ``number`` is its row in a spreadsheet, where the header is row 1. Cells may hold names."""

    number: int
    cells: Mapping[str, str] = field(repr=False)

    def get(self, column: str) -> str:
        """The cell, without blanks around it; empty when absent or said to be missing (NaN, NA, null)."""
        text = self.cells.get(key(column), "")
        return "" if text.lower() in _NOTHING else text


@dataclass(frozen=True)
class Table:
    """Columns as the file spells them, and the rows that are not empty."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def find(self, *names: str) -> str:
        """The first of ``names`` that is a column, case and blanks aside, as the file spells it; else empty."""
        spelled = {key(column): column for column in self.columns}
        return next((spelled[key(name)] for name in names if key(name) in spelled), "")


def key(column: str) -> str:
    """By what columns are told apart."""
    return column.strip().casefold()


def read_table(path: Path, what: str = "table") -> Table:
    """The table in a text file with commas, semicolons, tabs or bars between cells.

    Raises :class:`UserError`, which calls it ``what``, when it is absent, no text, or its lines do not match its
    header.
    """
    text = _text(path, what)
    delimiter = _delimiter(text.split("\n", 1)[0])
    try:
        lines = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UserError(
            f"The {what} cannot be read as a table.", "Save it again as CSV in UTF-8.", str(error)
        ) from error
    columns = tuple(cell.strip() for cell in lines[0]) if lines else ()
    if not any(columns):
        raise UserError(f"The {what} is empty.", _HEADER_HELP)
    keys = [key(column) for column in columns]
    twice = sorted({column for column in keys if column and keys.count(column) > 1})
    if twice:
        raise UserError(f"The {what} has two columns named '{twice[0]}'.", "Rename or remove one of them.")
    numbered = [(number, cells) for number, cells in enumerate(lines[1:], start=2) if any(map(str.strip, cells))]
    _require_fit(numbered, len(columns), what)
    rows = tuple(
        Row(number, {name: cell.strip() for name, cell in zip(keys, cells, strict=False)}) for number, cells in numbered
    )
    return Table(columns, rows)


def _require_fit(rows: Sequence[tuple[int, Sequence[str]]], width: int, what: str) -> None:
    long = [number for number, cells in rows if any(cell.strip() for cell in cells[width:])]
    if long:
        raise UserError(
            f"Row {long[0]} of the {what} has more cells than the header.",
            "Put cells that hold the delimiter into quotes.",
            f"{len(long)} rows",
        )


def _text(path: Path, what: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"The {what} is not there or may not be read.", "Check the folder.", type(error).__name__
        ) from error
    try:
        # Excel's "Unicode text" is UTF-16 and says so with its first two bytes.
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"The {what} is no text in UTF-8.", "Save it as CSV in UTF-8.", str(error.reason)) from error
    if "\0" in text:
        raise UserError(f"The {what} is no text in UTF-8.", "Save it as CSV in UTF-8.", "null characters")
    return text


def _delimiter(header: str) -> str:
    return max(",;\t|", key=header.count)
