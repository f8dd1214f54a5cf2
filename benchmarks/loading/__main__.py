"""Writes the table: ``python -m benchmarks.loading [--rounds 5] [--form NAME ...] [--subject NAME ...] --out FILE.md``.

Every loading is a process of its own; ours and the library's take turns, so that a busy machine is busy for both. A
ratio is the median of the rounds' ratios. The files are in the disk's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.forms.subjects import FORMS, SUBJECTS, Form, Subject
from benchmarks.loading.cost import LIBRARY, OURS, Cost
from benchmarks.loading.libraries import library_of

_MIB = 2**20
_HEAD = """# What loading a model package costs

Made by `python -m benchmarks.loading` on {machine}:
each form of each network written to disk, then loaded in a new process, {rounds} times by this program and by the
library that the form comes from, in turns. Seconds and memory are medians, without importing torch and torchvision
(and MONAI and timm for their forms), about {imports:.1f} s; a ratio is the median of the rounds' ratios. This program
reads the card, compares the sum of the weights, looks through the file before anything is loaded, and proves programs
and Keras networks by several runs, which the libraries do not. Peak memory is above what the imports hold.

| form | network | file, MiB | ours, s | library, s | ratio | ours, peak MiB | library, peak MiB |
|---|---|---|---|---|---|---|---|
"""


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--form", action="append", help="these forms only (start of the name)")
    parser.add_argument("--subject", action="append", help="these architectures only")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    lines, imports = [], []
    for form in FORMS:
        if options.form and not any(form.title.startswith(name) for name in options.form):
            continue
        for subject in map(form.subject, SUBJECTS):
            if options.subject and subject.title not in options.subject:
                continue
            with tempfile.TemporaryDirectory() as folder:
                if form.write(Path(folder), subject) is None:
                    continue
                costs = _turns(form, subject, Path(folder), options.rounds)
                size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
            lines.append(_line(form, subject, size, costs))
            imports += [cost.imports for cost in costs[OURS]]
            print(lines[-1], file=sys.stderr)
    head = _HEAD.format(machine=_machine(), rounds=options.rounds, imports=statistics.median(imports))
    options.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


def _machine() -> str:
    import torch

    return f"{os.cpu_count()} processor cores, torch {torch.__version__.partition('+')[0]}"


def _turns(form: Form, subject: Subject, folder: Path, rounds: int) -> dict[str, list[Cost]]:
    contenders = [OURS] if library_of(form.title) is None else [OURS, LIBRARY]
    costs: dict[str, list[Cost]] = {who: [] for who in contenders}
    for _ in range(rounds):
        for who in contenders:
            command = [sys.executable, "-m", "benchmarks.loading.cost", who, form.title, subject.title, str(folder)]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            costs[who].append(Cost(**json.loads(said.splitlines()[-1])))
    return costs


def _line(form: Form, subject: Subject, size: int, costs: dict[str, list[Cost]]) -> str:
    ours, library = costs[OURS], costs.get(LIBRARY, [])
    ratio = [a.seconds / b.seconds for a, b in zip(ours, library, strict=bool(library))]
    cells = [
        form.title,
        subject.title,
        f"{size / _MIB:.0f}",
        f"{_median([cost.seconds for cost in ours]):.2f}",
        f"{_median([cost.seconds for cost in library]):.2f}" if library else "",
        f"{_median(ratio):.1f}" if ratio else "",
        f"{_median([cost.peak for cost in ours]) / _MIB:.0f}",
        f"{_median([cost.peak for cost in library]) / _MIB:.0f}" if library else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    raise SystemExit(main())
