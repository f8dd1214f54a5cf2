"""Opening DICOM folders, against SimpleITK and pydicom: seconds, processor time, memory, cores.

    python benchmarks/io.py [DATA FOLDER] [--rounds 7] [--json FILE]

Contenders take turns (A B C A B C ...) in one process, so that a busy machine is busy for all of them; a ratio is the
median of the rounds' ratios with its quartiles. Processor time is that of the process and of its decoders. Peak memory
is measured in a process of its own for each contender, above what it held before loading. The files are copies of the
CT series of the test images (SALIENCY_VIEWER_TEST_DATA), or of a synthetic one where it is absent; of the 2,000 files
for the scan only the headers take space.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from io_series import sources_of, write
from numpy.typing import NDArray

from saliency_viewer.readers import open_study, warm_up

_SCANNED, _LOADED, _COMPRESSED = 2000, 400, 64
_CODECS = {
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
}
Load = Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class Cost:
    """Seconds on the wall and of processors."""

    wall: float
    cpu: float


def _scan_ours(folder: Path) -> int:
    return sum(series.slices for series in open_study(folder).series)


def _scan_pydicom(folder: Path) -> int:
    import pydicom

    return sum("Rows" in pydicom.dcmread(path, stop_before_pixels=True) for path in folder.iterdir())


def _scan_itk(folder: Path) -> int:
    import SimpleITK

    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    for name in names:
        reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
        reader.SetFileName(name)
        reader.ReadImageInformation()
    return len(names)


def _ours(folder: Path) -> Load:
    series = open_study(folder).series[0]
    return lambda: series.load().array


def _pydicom(folder: Path) -> Load:
    import pydicom

    paths = sorted(folder.iterdir(), key=lambda p: pydicom.dcmread(p, stop_before_pixels=True).InstanceNumber)

    def load() -> NDArray[Any]:
        first = pydicom.dcmread(paths[0])
        found = np.empty((len(paths), first.Rows, first.Columns), np.int16)
        for k, path in enumerate(paths):
            dataset = pydicom.dcmread(path)
            found[k] = dataset.pixel_array
            found[k] *= np.int16(dataset.RescaleSlope)
            found[k] += np.int16(dataset.RescaleIntercept)
        return found

    return load


def _itk(folder: Path) -> Load:
    import SimpleITK

    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))

    kept: list[Any] = []  # a view, which spares SimpleITK a copy, lives as long as its image

    def load() -> NDArray[Any]:
        kept.clear()
        reader: Any = SimpleITK.ImageSeriesReader()  # type: ignore[no-untyped-call]
        reader.SetFileNames(names)
        kept.append(reader.Execute())
        return np.asarray(SimpleITK.GetArrayViewFromImage(kept[0]))

    return load


_SCANS = {"ours": _scan_ours, "pydicom": _scan_pydicom, "SimpleITK": _scan_itk}
_LOADS = {"ours": _ours, "pydicom": _pydicom, "SimpleITK": _itk}


def _decoders_cpu() -> float:
    """Processor seconds of living children, which count for nobody until they end."""
    ticks = 0
    for task in Path("/proc/self/task").glob("*/children"):
        for child in task.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ticks / os.sysconf("SC_CLK_TCK") + ended.ru_utime + ended.ru_stime


def _cost(work: Callable[[], Any]) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time() + _decoders_cpu()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() + _decoders_cpu() - cpu)


def _in_turn(works: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Cost]]:
    """Costs of every contender in every round, after one round that does not count."""
    found: dict[str, list[Cost]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            cost = _cost(work)
            if turn:
                found[name].append(cost)
    return found


def _quartiles(values: Sequence[float]) -> list[float]:
    """Lower quartile, median, upper quartile."""
    return [float(value) for value in np.percentile(values, (25, 50, 75))]


def _report(title: str, costs: dict[str, list[Cost]], targets: dict[str, tuple[str, float]]) -> dict[str, Any]:
    """Print a row for each contender; ``targets`` maps contenders to what must be so many times ours."""
    result: dict[str, Any] = {}
    print(f"\n{title}")
    for name, found in costs.items():
        line = {kind: _quartiles([getattr(one, kind) for one in found]) for kind in ("wall", "cpu")}
        said = "  ".join(
            f"{kind} {1000 * q[1]:7.0f} [{1000 * q[0]:.0f}, {1000 * q[2]:.0f}] ms" for kind, q in line.items()
        )
        print(f"  {name:10s} {said}  cores {line['cpu'][1] / line['wall'][1]:.2f}")
        result[name] = line
        if name == "ours":
            continue
        for kind in ("wall", "cpu"):
            ratios = [getattr(a, kind) / getattr(b, kind) for a, b in zip(found, costs["ours"], strict=True)]
            result[name][f"{kind} ratio"] = q = _quartiles(ratios)
            wanted = targets.get(name, ("", 0.0))
            verdict = (
                f"  (at least {wanted[1]:g}: {'met' if q[1] >= wanted[1] else 'MISSED'})" if wanted[0] == kind else ""
            )
            print(f"  {'':10s} {kind} of {name} / ours: {q[1]:.2f} [{q[0]:.2f}, {q[2]:.2f}]{verdict}")
    return result


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _peak(contender: str, folder: Path) -> None:
    """Print the peak memory of one load above what was held before, as a part of the volume's bytes."""
    load = _LOADS[contender](folder)
    small = next(folder.parent.glob("few"))
    _LOADS[contender](small)()  # imports, and whatever libraries keep for good
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    array = load()
    print((_status("VmHWM") - before) / array.nbytes)


def _peaks(folder: Path, names: Sequence[str]) -> dict[str, float]:
    found = {}
    for name in names:
        command = [sys.executable, __file__, "--peak", name, str(folder)]
        found[name] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _first_image(folder: Path, rounds: int) -> list[float]:
    """Seconds until the first image of a folder is known."""
    found = []
    for _ in range(rounds):
        start, heard = time.perf_counter(), []
        open_study(folder, found=lambda _, start=start, heard=heard: heard.append(time.perf_counter() - start))  # type: ignore[misc]
        found.append(heard[0])
    return _quartiles(found)


def measure(data: str, work: Path, rounds: int) -> dict[str, Any]:
    """All figures, printed as they come."""
    sources, result = sources_of(data), {}
    write(work / "few", sources, 4)
    scanned = write(work / "scan", sources, _SCANNED, sparse=True)
    scans = {name: (lambda scan=scan: scan(scanned)) for name, scan in _SCANS.items()}
    title = f"header scan of {_SCANNED} files"
    result[title] = _report(title, _in_turn(scans, rounds), {"pydicom": ("wall", 5.0)})
    result["first image, seconds"] = first = _first_image(scanned, rounds)
    print(f"  first image after {1000 * first[1]:.1f} [{1000 * first[0]:.1f}, {1000 * first[2]:.1f}] ms")
    raw = write(work / "raw", sources, _LOADED)
    title = f"raw CT {_LOADED} x {sources[0].Rows} x {sources[0].Columns}"
    result[title] = _loads(title, raw, rounds, {"SimpleITK": ("cpu", 3.0)})
    result["peak memory / volume"] = peaks = _peaks(raw, list(_LOADS))
    met = "met" if peaks["ours"] <= 1.15 else "MISSED"
    print("  peak memory / volume: " + ", ".join(f"{name} {peak:.2f}" for name, peak in peaks.items()), end="")
    print(f"  (ours at most 1.15: {met})")
    warm_up()
    for codec, syntax in _CODECS.items():
        folder = write(work / codec, sources, _COMPRESSED, compress=syntax)
        title = f"{codec} CT {_COMPRESSED} slices"
        result[title] = _loads(title, folder, max(3, rounds // 2), {})
        result[title]["peak memory / volume"] = peak = _peaks(folder, ["ours"])["ours"]
        print(f"  peak memory / volume: ours {peak:.2f}")
    return result


def _loads(title: str, folder: Path, rounds: int, targets: dict[str, tuple[str, float]]) -> dict[str, Any]:
    loads = {name: prepare(folder) for name, prepare in _LOADS.items()}
    arrays = [load() for load in loads.values()]
    same = max(int(np.abs(arrays[0].astype(np.int32) - other).max()) for other in arrays[1:])
    del arrays
    result = _report(title, _in_turn(dict(loads), rounds), targets)
    print(f"  largest difference of values: {same}")
    return {**result, "largest difference": same}


def main() -> None:
    """Measure everything in a temporary folder, or one peak of memory for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default=os.environ.get("SALIENCY_VIEWER_TEST_DATA", ""))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        _peak(arguments.peak[0], Path(arguments.peak[1]))
        return
    with tempfile.TemporaryDirectory(prefix="saliency-viewer-io-") as folder:
        result = measure(arguments.data, Path(folder), arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
