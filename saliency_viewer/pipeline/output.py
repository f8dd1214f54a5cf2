"""The output folder of `explain` and `batch`: table, plot and manifest over its cases."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from saliency_viewer.domain import AnalysisPlan, StatisticRow
from saliency_viewer.exporters import as_written, read_statistics, write_manifest, write_statistics, write_summary_plot
from saliency_viewer.pipeline.records import DONE, Entry, manifest_data

STATISTICS, PLOT, MANIFEST = "attribution_statistics.csv", "attribution_summary.png", "manifest.json"
_SHARE_OF_TIME = 0.05  # that may go into rewriting the three files

Rows = tuple[StatisticRow, ...]


class Output:
    """Entries and rows of the cases so far, in their order, and the files that show them."""

    def __init__(self, folder: Path, command: str, plan: AnalysisPlan, identify: bool) -> None:
        self.folder = folder
        self._command = command
        self._plan = plan
        self._identify = identify
        self._started = time.perf_counter()
        self._entries: list[Entry] = []
        self._rows: list[StatisticRow] = []
        self._saved, self._cost = float("-inf"), 0.0

    @property
    def names(self) -> set[str]:
        """Names of the cases so far."""
        return {entry["subject"] for entry in self._entries}

    def add(self, entry: Entry, rows: Sequence[StatisticRow] = ()) -> None:
        """Take a case's entry and statistics."""
        self._entries.append(entry)
        self._rows.extend(as_written(row) for row in rows)

    def save(self) -> None:
        """Write all three files; each is replaced as a whole. Raises :class:`UserError` when the disk refuses."""
        start = time.perf_counter()
        shared = [
            write_statistics(self._rows, self.folder / STATISTICS),
            write_summary_plot(self._rows, self.folder / PLOT),
        ]
        seconds = time.perf_counter() - self._started
        data = manifest_data(self._command, self._plan, self._entries, shared, self.folder, seconds, self._identify)
        write_manifest(data, self.folder / MANIFEST)
        self._saved = time.perf_counter()
        self._cost = self._saved - start

    def save_now_and_then(self) -> None:
        """Save after a case, but never let thousands of cases spend their time in rewriting the table."""
        if (time.perf_counter() - self._saved) * _SHARE_OF_TIME >= self._cost:
            self.save()


class Previous:
    """Cases that an earlier run finished in a folder, by their fingerprint."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[str, Entry] = {}
        self._rows: dict[tuple[str, str], list[StatisticRow]] = {}
        try:
            cases = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["cases"]
            self._entries = {case["fingerprint"]: case for case in cases if case["status"] == DONE}
            for row in read_statistics(folder / STATISTICS):
                self._rows.setdefault((row.subject, row.session), []).append(row)
        except (OSError, ValueError, KeyError, TypeError):
            self._entries = {}  # nothing to build on: every case is computed again

    def find(self, fingerprint: str) -> tuple[Entry, Rows] | None:
        """Entry and rows of a case whose files are all there, else None."""
        entry = self._entries.get(fingerprint)
        if entry is None or not all(self._is_whole(item) for item in entry["outputs"]):
            return None
        rows = self._rows.get((entry["statistics_subject"], entry["session"]), [])
        return (entry, tuple(rows)) if len(rows) == entry["statistics"] else None

    def _is_whole(self, item: Entry) -> bool:
        path = self._folder / str(item["path"])
        return path.is_file() and path.stat().st_size == int(item["bytes"])
