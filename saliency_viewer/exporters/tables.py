"""Plain tables as UTF-8 CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from saliency_viewer.runtime.files import write_text


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> Path:
    """Write a header and rows; raises :class:`UserError` when the disk refuses."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, stream.getvalue())
    return path
