"""Plain tables as UTF-8 CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from saliency_viewer.runtime.files import write_text


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A header and rows, with line feeds as line ends."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return stream.getvalue()


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> Path:
    """Write a table; raises :class:`UserError` when the disk refuses."""
    write_text(path, table_text(columns, rows))
    return path
