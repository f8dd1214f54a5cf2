"""Peak memory of one contender in a process of its own: ``python -m benchmarks.attribution.memory ROW CONTENDER``.

Printed as JSON: bytes above what the process held after loading and one forward pass. On Linux the mark is the
process's own (VmHWM): a child's ``ru_maxrss`` starts from its parent's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.attribution.timing import PEER_ERRORS, reason, say
from saliency_viewer.errors import UserError

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_ENOUGH = 3600  # seconds


def high_mark() -> int:
    """The most bytes this process held so far."""
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident() -> int:
    """Bytes this process holds now; the high mark where nobody says."""
    return _status("VmRSS") or high_mark()


def _status(name: str) -> int:
    if not _STATUS.exists():
        return 0
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return next((int(words[1]) * 1024 for words in lines if words and words[0] == f"{name}:"), 0)


def _forget_mark() -> None:
    """Let the high mark start again from what is held, where the system can: loading may have needed more."""
    if _RESET.exists():
        try:
            _RESET.write_text("5")
        except OSError:
            return


def measure(row_id: str, contender: str, quick: bool, device: str) -> int:
    """Bytes above the resting mark while the contender works once."""
    from benchmarks.attribution.rows import entries
    from benchmarks.attribution.subjects import Setting

    setting = Setting(quick=quick, device=device, calibrate=False)
    row = next(entry for entry in entries() if entry.id == row_id).build(setting)
    subject = next(iter(setting._kept.values()))
    work = next(one for one in row.contenders if one.name == contender).build()
    with torch.no_grad():
        subject.network(subject.inputs)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - before
    _forget_mark()
    before = resident() if _status("VmRSS") else high_mark()
    work()
    return high_mark() - before


def of_row(row_id: str, names: Sequence[str], quick: bool, device: str, threads: int) -> dict[str, float]:
    """Bytes of each contender; those that fail are left out, with the reason on stderr."""
    found = {}
    for name in names:
        say(f"{row_id}: memory of {name}")
        command = [sys.executable, "-m", "benchmarks.attribution.memory", row_id, name]
        command += ["--device", device, "--threads", str(threads), *(["--quick"] if quick else [])]
        root = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_ENOUGH,
            check=False,
            env={**os.environ, "PYTHONPATH": paths},
        )
        if ran.returncode:
            say(f"{row_id}: no memory figure of {name}: {(ran.stderr or 'killed').strip().splitlines()[-1]}")
        else:
            found[name] = float(json.loads(ran.stdout.splitlines()[-1])["bytes"])
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row")
    parser.add_argument("contender")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        found = measure(options.row, options.contender, options.quick, options.device)
    except (UserError, *PEER_ERRORS) as error:
        sys.stderr.write(f"{reason(error)}\n")
        return 1
    print(json.dumps({"bytes": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
