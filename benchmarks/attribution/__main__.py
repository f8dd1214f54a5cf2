"""The command line of the comparison; see the package's docstring."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.attribution import report
from benchmarks.attribution.cancelling import cancel_latency, leftovers
from benchmarks.attribution.graphics import largest_volume, throughput
from benchmarks.attribution.memory import of_row
from benchmarks.attribution.nodes import completeness
from benchmarks.attribution.rows import Entry, entries
from benchmarks.attribution.subjects import Setting
from benchmarks.attribution.timing import Outcome, run_row, say
from benchmarks.attribution.trained import Absent
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.devices import choose_device

SECTIONS: dict[str, Callable[[Setting], Any]] = {
    "cancel": cancel_latency,
    "leak": leftovers,
    "nodes": completeness,
    "throughput": throughput,
    "largest-volume": largest_volume,
}
_CUDA_ONLY = ("throughput", "largest-volume")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attribution", description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for attribution.json and attribution.png")
    parser.add_argument("--quick", action="store_true", help="small inputs, few rounds: whether it works, not how fast")
    parser.add_argument(
        "--only", nargs="+", action="extend", metavar="ROW", help="rows and sections whose names begin so"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, help="of every row")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory of separate processes")
    parser.add_argument("--list", action="store_true", help="name the rows and sections and stop")
    return parser.parse_args()


def _wanted(options: argparse.Namespace) -> tuple[list[Entry], list[str]]:
    """Rows and sections; those that only a full run has come when they are asked for by name."""

    def asked(name: str) -> bool:
        return any(name == wish or name.startswith(wish) for wish in options.only or ())

    rows = [one for one in entries() if (asked(one.id) if options.only else not (options.quick and one.full_only))]
    default = [name for name in SECTIONS if options.device == "cuda" or name not in _CUDA_ONLY]
    return rows, [name for name in SECTIONS if asked(name)] if options.only else default


def _row(entry: Entry, setting: Setting, options: argparse.Namespace) -> Outcome:
    say(f"{entry.id}: preparing")
    try:
        row = entry.build(setting)
    except (Absent, UserError) as error:
        return Outcome(entry.id, entry.id, "", skipped=str(error))
    if options.rounds:
        row = dataclasses.replace(row, rounds=options.rounds)
    names = () if options.no_memory else row.memory
    memory = of_row(entry.id, names, options.quick, options.device, options.threads)
    return run_row(row, memory)


def main() -> int:
    """Run what was asked for; print, and write after every row, so that a stopped run keeps what it has."""
    options = _options()
    rows, sections = _wanted(options)
    if options.list:
        print(*[entry.id for entry in rows], *sections, sep="\n")
        return 0
    if not rows and not sections:
        sys.stderr.write("no row or section begins so; --list names them\n")
        return 2
    try:
        device = choose_device(options.device)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    warnings.filterwarnings("ignore")  # other libraries' own
    logging.getLogger("torchcam").setLevel(logging.ERROR)
    torch.set_num_threads(options.threads)
    _run(rows, sections, Setting(options.quick, device, cache=options.out), options)
    return 0


def _run(rows: list[Entry], sections: list[str], setting: Setting, options: argparse.Namespace) -> None:
    about, begin = report.environment(setting.device, setting.quick), time.monotonic()
    print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    outcomes: list[Outcome] = []
    found: dict[str, Any] = {}

    def keep(lines: list[str]) -> None:
        print(*lines, sep="\n", flush=True)
        about["seconds"] = time.monotonic() - begin
        if options.out:
            report.write(options.out, about, outcomes, found)

    for number, entry in enumerate(rows):
        say(f"row {number + 1} of {len(rows)}: {entry.id}")
        outcomes.append(_row(entry, setting, options))
        keep(report.row_lines(outcomes[-1]))
    for name in sections:
        say(f"section {name}")
        found[name] = SECTIONS[name](setting)
        keep(report.section_lines(name, found[name]))
    if outcomes:
        print(*report.summary_lines(outcomes), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
