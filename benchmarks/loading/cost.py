"""One loading in a process of its own: ``python -m benchmarks.loading.cost WHO FORM SUBJECT FOLDER``."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.forms.subjects import SUBJECTS
from benchmarks.loading.libraries import library_of

OURS, LIBRARY = "ours", "library"
_KIB = 1024


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall of the imports and of the loading after them; bytes at most above what imports hold."""

    imports: float
    seconds: float
    peak: int


def _memory(field: str) -> int:
    """Bytes of a line of the system's own account. getrusage would tell the peak of whoever started this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field + ":")).split()[1]) * _KIB


def _import(who: str, form: str) -> None:
    """What both need is imported first, so that the rest is loading alone."""
    import torchvision  # noqa: F401

    if who == OURS:
        from saliency_viewer.models import load_package  # noqa: F401
    for start, module in (("monai", "monai.networks.nets"), ("MONAI", "monai.networks.nets"), ("timm", "timm")):
        if form.startswith(start):
            __import__(module)


def _load(who: str, form: str, subject_title: str, folder: Path) -> Any:
    if who == OURS:
        from saliency_viewer.models import load_package

        return load_package(folder, trust_code=True)
    subject = next(one for one in SUBJECTS if one.title == subject_title)
    library = library_of(form)
    if library is None:
        raise SystemExit(f"no library loads {form}")
    return library(folder, subject)


def main() -> None:
    """Print the cost as JSON."""
    who, form, subject, folder = sys.argv[1:]
    started = time.perf_counter()
    _import(who, form)
    imported = time.perf_counter()
    before = _memory("VmRSS")
    _load(who, form, subject, Path(folder))
    loaded = time.perf_counter()
    print(json.dumps(asdict(Cost(imported - started, loaded - imported, _memory("VmHWM") - before))))


if __name__ == "__main__":
    main()
