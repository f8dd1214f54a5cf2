"""Run `info` and `explain` over a folder of real images and check the files they leave with foreign tools.

    python benchmarks/real_data.py DATA [--out DIR]

DATA holds ``ct_series``, ``mr_series``, ``cxr/{images,masks}`` and ``hippocampus/{images,labels}``. Every case runs
through the command line in a process of its own, with the demo networks. Printed for each case: size, seconds, and
the largest deviation of

* the exported NIfTI's affine from the one SimpleITK reads from the source (mm), and
* every exported mass fraction from one computed here from the exported array and the mask file.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from numpy.typing import NDArray
from PIL import Image

METHODS = ("gradient", "grad-cam", "integrated-gradients", "lrp-epsilon-plus")
# SimpleITK steps along the slices' normal; positions in the oblique MR series are rounded and leave it a little.
AFFINE_TOLERANCE = {"ct": 1e-4, "mr": 5e-3, "hippocampus": 1e-4}  # mm
FRACTION_TOLERANCE = 1e-5  # six significant digits in the CSV


@dataclass(frozen=True)
class Case:
    """One input with its model and, where there is one, a mask file."""

    kind: str
    image: Path
    model: str
    mask: Path | None = None


def cases(data: Path, each: int) -> list[Case]:
    """The CT, the MR series, and ``each`` radiographs and hippocampus volumes."""
    found = [
        Case("ct", data / "ct_series", "chest"),
        Case("mr", data / "mr_series" / "adc_b500", "chest"),
    ]
    for mask in sorted((data / "cxr" / "masks").glob("*.png")):
        image = next(iter((data / "cxr" / "images").glob(f"{mask.stem}.*")), None)
        if image is not None:
            found.append(Case("cxr", image, "chest", mask))
        if len(found) == 2 + each:
            break
    for image in sorted((data / "hippocampus" / "images").glob("*.nii*"))[:each]:
        found.append(Case("hippocampus", image, "brain", data / "hippocampus" / "labels" / image.name))
    return found


def run(*arguments: str) -> str:
    """The program's standard output; stops the benchmark with its own words when it fails."""
    command = [sys.executable, "-m", "saliency_viewer", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def check(case: Case, models: Path, out: Path) -> tuple[str, ...]:
    """Run one case; returns the cells of its row."""
    described = json.loads(run("info", str(case.image), "--json"))["series"][0]
    arguments = ["explain", str(case.image), "--model", str(models / case.model / "model"), "--out", str(out)]
    for method in METHODS:
        arguments += ["--method", method]
    if case.mask is not None:
        arguments += ["--regions", str(case.mask)]
    start = time.perf_counter()
    run(*arguments)
    seconds = time.perf_counter() - start
    manifest = json.loads((out / "manifest.json").read_text())
    size = "x".join(str(described[key]) for key in ("slices", "rows", "columns"))
    return (
        case.kind,
        size,
        f"{seconds:.1f}",
        str(len(manifest["outputs"])),
        _affine_cell(case, out),
        _fraction_cell(case, out),
    )


def _affine_cell(case: Case, out: Path) -> str:
    reference = _reference_affine(case)
    if reference is None:
        return "no geometry"
    exported = nibabel.load(next(out.glob("*/*/*.nii.gz"))).affine
    # Compared as sets of corner points, since an exporter may choose another axis order.
    worst = _corner_distance(exported, nibabel.load(next(out.glob("*/*/*.nii.gz"))).shape, *reference)
    if worst > AFFINE_TOLERANCE[case.kind]:
        raise SystemExit(f"{case.kind}: the affine is {worst} mm off")
    return f"{worst:.1e}"


def _reference_affine(case: Case) -> tuple[NDArray[np.float64], tuple[int, ...]] | None:
    """RAS affine and (x, y, z) shape as SimpleITK reads them."""
    if case.kind == "cxr":
        return None
    if case.image.is_file():
        image = SimpleITK.ReadImage(str(case.image))
    else:
        folder = next(path.parent for path in sorted(case.image.rglob("*.dcm")))
        image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, image.GetSize()


def _corner_distance(
    first: NDArray[np.float64], first_shape: tuple[int, ...], second: NDArray[np.float64], second_shape: tuple[int, ...]
) -> float:
    def corners(affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
        index = np.array(np.meshgrid(*[(0, n - 1) for n in shape[:3]])).reshape(3, -1).T
        return index @ affine[:3, :3].T + affine[:3, 3]

    ours, theirs = corners(first, first_shape), corners(second, second_shape)
    return float(max(np.linalg.norm(theirs - point, axis=1).min() for point in ours))


def _fraction_cell(case: Case, out: Path) -> str:
    if case.mask is None:
        return "no mask"
    with (out / "attribution_statistics.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["statistic"] == "mass_fraction" and row["value"]]
    worst, compared = 0.0, 0
    for folder in sorted(path for path in out.iterdir() if path.is_dir()):
        values = np.load(next(folder.glob("*/*.npy")))
        fractions = _mass_fractions(values, _mask_array(case.mask, values.shape))
        exported = [
            float(r["value"]) for r in rows if r["method"] == folder.name and not r["region"].startswith("outside")
        ]
        if len(exported) != len(fractions):
            raise SystemExit(f"{case.kind}: {len(exported)} mass fractions for {len(fractions)} regions")
        compared += len(exported)
        worst = max([worst, *(abs(a - b) for a, b in zip(exported, fractions, strict=True))])
    if worst > FRACTION_TOLERANCE:
        raise SystemExit(f"{case.kind}: a mass fraction is {worst} off")
    return f"{worst:.1e} ({compared})"


def _mask_array(mask: Path, shape: tuple[int, ...]) -> NDArray[np.generic]:
    """The mask in (slice, row, column), read without this program."""
    if mask.suffix == ".png":
        with Image.open(mask) as picture:
            return np.asarray(picture.convert("L"))[None]
    # nibabel's (x, y, z) is turned into the array order; the shapes decide which axis is which.
    labels = np.asarray(nibabel.load(mask).dataobj)
    return labels.transpose(2, 1, 0) if labels.shape[::-1] == tuple(shape) else labels


def _mass_fractions(values: NDArray[np.floating], labels: NDArray[np.generic]) -> list[float]:
    seen = np.isfinite(values)
    positive = np.where(seen, np.clip(values, 0, None), 0).astype(np.float64)
    total = positive.sum()
    if not total:
        return []
    return [float(positive[labels == value].sum() / total) for value in np.unique(labels) if value]


def main() -> int:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--each", type=int, default=5, help="radiographs and hippocampus volumes to take")
    parser.add_argument("--out", type=Path, help="keep the outputs here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or Path(scratch) / "out"
        run("demo-data", str(Path(scratch) / "demo"))
        heading = ("kind", "size", "seconds", "files", "affine off, mm", "mass fraction off (compared)")
        rows = [heading]
        for number, case in enumerate(cases(options.data, options.each)):
            rows.append(check(case, Path(scratch) / "demo", out / f"{case.kind}-{number}"))
        widths = [max(len(row[k]) for row in rows) for k in range(len(heading))]
        for row in rows:
            sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
