"""``attribution_statistics.csv``: one number a row, the same bytes for the same numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from saliency_viewer.domain import STATISTIC_COLUMNS, StatisticRow
from saliency_viewer.exporters.tables import write_table


def write_statistics(rows: Iterable[StatisticRow], path: Path) -> Path:
    """Write ``rows`` in their order as UTF-8 CSV; raises :class:`UserError` when the disk refuses."""
    cells = ([cell(getattr(row, column)) for column in STATISTIC_COLUMNS] for row in rows)
    return write_table(STATISTIC_COLUMNS, cells, path)


def cell(value: float | str | None) -> str:
    """Text of one cell: six significant digits, empty where undefined."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    number = float(value)
    if not math.isfinite(number):
        return ""
    return f"{number + 0.0:.6g}"  # adding 0.0 turns -0.0 into 0


def as_written(row: StatisticRow) -> StatisticRow:
    """``row`` with the numbers that its file will have, so that a plot is the same before and after reading it."""
    reference = row.reference
    return replace(
        row,
        probability=_rounded(row.probability),
        value=_rounded(row.value),
        p_value=_rounded(row.p_value),
        reference=reference if isinstance(reference, str) else _rounded(reference),
    )


def _rounded(value: float | None) -> float | None:
    text = cell(value)
    return float(text) if text else None


def read_statistics(path: Path) -> tuple[StatisticRow, ...]:
    """Rows of a file written by :func:`write_statistics`; raises KeyError or ValueError on a foreign one."""
    with path.open(newline="", encoding="utf-8") as stream:
        return tuple(_row(record) for record in csv.DictReader(stream))


def _row(record: dict[str, str]) -> StatisticRow:
    def number(column: str) -> float | None:
        return float(record[column]) if record[column] else None

    texts = {
        column: record[column]
        for column in STATISTIC_COLUMNS
        if column not in ("probability", "value", "p_value", "reference")
    }
    return StatisticRow(
        **texts,
        probability=number("probability"),
        value=number("value"),
        p_value=number("p_value"),
        reference=_reference(record["reference"]),
    )


def _reference(text: str) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text
