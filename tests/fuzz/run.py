"""Thousands of damaged files, each opened as the program would open it: only a UserError may come of it.

    python tests/fuzz/run.py --count 10000 --seed 0 [--kinds dicom nifti itk picture zip] [--workers 2]
    python tests/fuzz/run.py --seed 0 --only 4711           one file again, with its traceback
    python tests/fuzz/run.py --count 40 --write FOLDER      the files themselves

File N of a seed is always the same. Files are opened in child processes, so that a crash is seen and costs one file;
each takes some hundred of them, with a limit on its address space. The exit status is 1 when any file failed: by
another exception, a crash, anything printed, over 5 s, over the memory bounds of ``one_file.py``, a file written
outside the temporary folder, or the planted patient's name or number in a message, a log or a warning.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import resource
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from other_mutations import mutated
from seeds import KINDS, Seed, all_seeds

_ROOT = Path(__file__).resolve().parents[2]
_BATCH = 250
_ADDRESSES = 6 * 2**30  # bytes of address space of a child; libraries alone take 2 GiB of it
_PRINTED = "printed"  # what a child and its decoders write to their standard streams
_HANG = 40.0  # seconds without a word after which a child is killed


def make(seeds: list[Seed], seed: int, number: int) -> tuple[str, str, bytes]:
    """(what was done, name, bytes) of file ``number``."""
    rng = random.Random(f"{seed}/{number}")
    chosen = rng.choice(seeds)
    done, data = mutated(rng, chosen)
    return f"{chosen.kind}: {done}", chosen.name, data


def child(arguments: argparse.Namespace) -> int:
    """Open the files ``--child FIRST STOP`` in this process, one JSON line each."""
    lines = os.fdopen(os.dup(1), "w")
    work = Path(tempfile.gettempdir())
    printed = work / _PRINTED
    descriptor = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, hard))

    from one_file import Watch, examine

    watch = Watch(Path(tempfile.gettempdir()), printed)
    seeds = all_seeds(tuple(arguments.kinds))
    _warm_up(work, seeds)
    watch.printed()
    for number in range(*arguments.child):
        done, name, data = make(seeds, arguments.seed, number)
        folder = work / f"Zyxwv_Quirin_{number}"
        folder.mkdir()
        path = folder / name
        path.write_bytes(data)
        verdict = examine(path, watch)
        left = [item.name for item in folder.iterdir() if item != path]
        lines.write(json.dumps({"number": number, "done": done, "name": name, "left": left, **asdict(verdict)}) + "\n")
        lines.flush()
        path.unlink()
        folder.rmdir()
    return 0


def _warm_up(work: Path, seeds: list[Seed]) -> None:
    """Import what readers import late, and start a decoder, so that no file pays for it."""
    from one_file import _use

    from saliency_viewer.readers.dicom.decoding import workers

    workers().warm_up()
    for one in {seed.kind: seed for seed in seeds}.values():
        path = work / one.name
        path.write_bytes(one.data)
        _use(path, [])
        path.unlink()


class Campaign:
    """Children in as many threads as asked for, and what they said."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self.results: list[dict[str, Any]] = []
        self._batches: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        for start in range(arguments.first, arguments.first + arguments.count, _BATCH):
            self._batches.put((start, min(start + _BATCH, arguments.first + arguments.count)))

    def run(self) -> list[dict[str, Any]]:
        threads = [threading.Thread(target=self._work) for _ in range(self._arguments.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(self.results, key=lambda one: one["number"])

    def _work(self) -> None:
        while True:
            try:
                first, stop = self._batches.get_nowait()
            except queue.Empty:
                return
            while first < stop:
                first = self._batch(first, stop)

    def _batch(self, first: int, stop: int) -> int:
        """Open files until the child has died or all are done; the number of the next file."""
        command = [sys.executable, "-W", "always", str(Path(__file__)), "--child", str(first), str(stop)]
        command += ["--seed", str(self._arguments.seed), "--kinds", *self._arguments.kinds]
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            paths = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
            sandbox = {"TMPDIR": folder, "HOME": folder, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": paths}
            # Without a buffer: what has been read ahead would not be seen by select.
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, cwd=folder, env={**os.environ, **sandbox}, bufsize=0
            )
            done, why = self._listen(process)
            process.kill()
            process.wait()
            last = Path(folder, _PRINTED).read_text(errors="replace")[-1000:] if Path(folder, _PRINTED).exists() else ""
            left = sorted(item.name for item in Path(folder).glob("saliency*"))
        if first + done == stop:
            if left:
                self._fail(stop - 1, f"left behind in the temporary folder: {left}")
            return stop
        if done == 0 and first == self._arguments.first:
            raise RuntimeError(f"no child can start: {last}")
        self._fail(first + done, f"{why}\n{last}")
        return first + done + 1

    def _listen(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        """Collect a child's lines: (how many, why it stopped)."""
        if process.stdout is None:
            raise ValueError("no pipe")
        count = 0
        while select.select([process.stdout], [], [], _HANG)[0]:
            line = process.stdout.readline()
            if not line:
                return count, f"the process died with status {process.wait()}"
            self.results.append(json.loads(line))
            count += 1
        return count, f"hangs: nothing for {_HANG:.0f} s"

    def _fail(self, number: int, why: str) -> None:
        line = {"number": number, "done": "process", "name": "?", "left": [], "outcome": "failed", "failure": why}
        self.results.append({**line, "seconds": 0.0, "memory": 0, "decoder": 0})


def table(results: list[dict[str, Any]], took: float) -> str:
    """Figures by kind of file, then by mutation, and every failure."""
    rows = defaultdict(list)
    for one in results:
        rows[one["done"].split(":")[0]].append(one)
    lines = [f"{'kind':9s} {'files':>6s} {'opened':>7s} {'refused':>8s} {'on load':>8s} {'failed':>7s}"]
    lines[0] += f" {'slowest':>9s} {'memory':>11s} {'decoder':>11s}"
    for kind, ones in [*sorted(rows.items()), ("all", results)]:
        count = Counter(one["outcome"] for one in ones)
        seconds, memory, decoder = (max(one[name] for one in ones) for name in ("seconds", "memory", "decoder"))
        lines.append(
            f"{kind:9s} {len(ones):6d} {count['opened']:7d} {count['refused']:8d} {count['refused on loading']:8d} "
            f"{count['failed']:7d} {seconds:7.2f} s {memory / 2**20:7.0f} MiB {decoder / 2**20:7.0f} MiB"
        )
    mutations = Counter(word for one in results for word in one["done"].split(": ")[-1].split("+"))
    lines.append("mutations: " + ", ".join(f"{name} {count}" for name, count in mutations.most_common()))
    lines.append(f"{len(results)} files in {took:.0f} s")
    for one in results:
        if one["failure"]:
            lines.append(f"\nFAILED {one['number']} ({one['done']}, {one['name']})\n{one['failure']}")
    return "\n".join(lines)


def main() -> int:
    """Run a campaign, a child's part of one, one file, or write files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write every file's result here")
    parser.add_argument("--only", type=int, help="one file's number")
    parser.add_argument("--write", type=Path, help="write the files into this folder, and open none")
    parser.add_argument("--child", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments)
    if arguments.only is not None:
        arguments.first, arguments.count, arguments.workers = arguments.only, 1, 1
    if arguments.write:
        _write(arguments)
        return 0
    start = time.monotonic()
    results = Campaign(arguments).run()
    if len(results) < arguments.count:
        return 2  # no child could start; the reason stands on standard error
    if arguments.json:
        arguments.json.write_text(json.dumps(results), encoding="utf-8")
    sys.stdout.write(table(results, time.monotonic() - start) + "\n")
    return 1 if any(one["failure"] for one in results) else 0


def _write(arguments: argparse.Namespace) -> None:
    seeds = all_seeds(tuple(arguments.kinds))
    arguments.write.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.first, arguments.first + arguments.count):
        _, name, data = make(seeds, arguments.seed, number)
        (arguments.write / f"{number:06d}-{name}").write_bytes(data)


if __name__ == "__main__":
    sys.exit(main())
