"""Writes the table: ``python -m benchmarks.forms [--form NAME ...] [--subject NAME ...] --out FILE.md``.

Every form is written to disk from a network with calibrated random weights, loaded as a user's package, and asked to
explain one random image by every method, with few steps. A cell says whether the method was applied; where the form was
made of a torch network, the map is compared with that network's own.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.forms.measure import Row, measured
from benchmarks.forms.subjects import FORMS, SUBJECTS
from benchmarks.forms.text import table


def main() -> int:
    """Command line; finished rows are kept in ``--rows`` and not made again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forms", description=__doc__)
    parser.add_argument("--form", action="append", help="these forms only (start of the name)")
    parser.add_argument("--subject", action="append", help="these architectures only")
    parser.add_argument("--rows", type=Path, help="JSON lines with finished rows, to go on from")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = _known(options.rows)
    for form in FORMS:
        for subject in SUBJECTS:
            chosen = not options.form or any(form.title.startswith(name) for name in options.form)
            if (options.subject and subject.title not in options.subject) or not chosen:
                continue
            if any((row.form, row.subject) == (form.title, subject.title) for row in rows):
                continue
            started = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                row = measured(form, subject, Path(folder))
            gc.collect()
            if row is None:
                continue
            rows.append(row)
            print(f"{form.title} {subject.title}: {time.perf_counter() - started:.0f} s {row.fault}", file=sys.stderr)
            if options.rows:
                with options.rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row.__dict__) + "\n")
    options.out.write_text(table(rows), encoding="utf-8")
    return 0


def _known(path: Path | None) -> list[Row]:
    if path is None or not path.exists():
        return []
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    raise SystemExit(main())
