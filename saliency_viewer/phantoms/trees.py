"""Miniature data sets in the layouts of the published ones, from phantoms: to try training on, and for tests.

Every image is as its reader will find it in the published set: the same folders, file names, tables and
conventions. Only the pixels are phantoms, with an opacity in every second one, and fewer.
"""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.phantoms.chest import chest_phantom
from saliency_viewer.phantoms.dicom_common import save
from saliency_viewer.phantoms.dicom_dx import dx_object
from saliency_viewer.phantoms.fields import blurred
from saliency_viewer.phantoms.phantom import Phantom
from saliency_viewer.runtime.files import make_folder, write_error, write_text
from saliency_viewer.runtime.seeds import derived_seed, generator
from saliency_viewer.spatial import mask_runs

RSNA_LABELS = "stage_2_train_labels.csv"
RSNA_CLASSES = "stage_2_detailed_class_info.csv"
RSNA_IMAGES = "stage_2_train_images"
RSNA_PATIENTS = "pneumonia-challenge-dataset-mappings_2018.json"
SIIM_IMAGES = "dicom-images-train"
SIIM_RUNS = "train-rle.csv"
CSV_TABLE = "cases.csv"

_PLAIN_DENSITY = 5.0

Form = Literal["dicom", "png", "volume"]


@dataclass(frozen=True, eq=False)
class TreeCase:
    """One image of a tree with what is true about it; ``mask`` is (slice, row, column), empty without a finding."""

    image: Path = field(repr=False)
    patient: str
    label: int
    mask: NDArray[np.bool_] = field(repr=False)


def make_rsna(root: Path, count: int, seed: int = 0, pixels: int = 128, plain: bool = False) -> list[TreeCase]:
    """Write a tree like that of the RSNA Pneumonia Detection Challenge into ``root``; returns what is true.

    ``count`` images of ``pixels`` rows and columns, every second one with an opacity; every sixth opacity has two
    boxes, hence two rows. As in the published set each image has its own ``patientId``, and a mapping says which
    ones are of the same person: of every four images the first two. ``plain`` ones have no vessels and dense
    opacities: made in a thirtieth of the time, and learnt by a small network in a minute.
    """
    root, cases = Path(root), []
    labels: list[Sequence[object]] = []
    classes, people = [], []
    for number, phantom in enumerate(_chests(count, seed, pixels, plain)):
        name = _uuid(seed, "rsna", number)
        path = _write_dicom(phantom, root / RSNA_IMAGES / f"{name}.dcm", name)
        case = TreeCase(path, f"{_person(number, 4):08d}", number % 2, _finding(phantom))
        cases.append(case)
        parts = _parts(case.mask, in_two=number % 12 == 11)
        labels += [(name, *_box(part), 1) for part in parts] or [(name, "", "", "", "", 0)]
        kind = ("Normal", "No Lung Opacity / Not Normal")[number // 2 % 2] if not parts else "Lung Opacity"
        classes += [(name, kind)] * max(len(parts), 1)
        people.append({"subset_img_id": name, "img_id": f"{case.patient}_{number:03d}.png"})
    _write_table(root / RSNA_LABELS, ("patientId", "x", "y", "width", "height", "Target"), labels)
    _write_table(root / RSNA_CLASSES, ("patientId", "class"), classes)
    write_text(root / RSNA_PATIENTS, json.dumps(people, indent=1))
    return cases


def make_siim(root: Path, count: int, seed: int = 0, pixels: int = 128, plain: bool = False) -> list[TreeCase]:
    """Write a tree like that of the SIIM-ACR Pneumothorax challenge into ``root``; returns what is true.

    ``count`` images of ``pixels`` rows and columns with run lengths counted on these, every second one with a
    finding; every sixth finding has two rows. Of every four images the first two are of one patient, as their
    headers say. The table's second column starts with a blank, as in the first release. ``plain`` as in
    :func:`make_rsna`.
    """
    root, cases, rows = Path(root), [], []
    for number, phantom in enumerate(_chests(count, seed, pixels, plain)):
        ds = dx_object(phantom)
        patient = _uuid(seed, "siim", _person(number, 4))
        ds.PatientID = patient
        name = str(ds.SOPInstanceUID)
        folder = root / SIIM_IMAGES / str(ds.StudyInstanceUID) / str(ds.SeriesInstanceUID)
        case = TreeCase(save(ds, folder / f"{name}.dcm"), patient, number % 2, _finding(phantom))
        cases.append(case)
        parts = _parts(case.mask, in_two=number % 12 == 11)
        rows += [(name, f" {mask_runs(part)}") for part in parts] or [(name, " -1")]
    _write_table(root / SIIM_RUNS, ("ImageId", " EncodedPixels"), rows)
    return cases


def make_csv(root: Path, count: int, seed: int = 0, pixels: int = 64, form: Form = "png") -> list[TreeCase]:
    """Write images and ``cases.csv`` (image, label, patient, mask) into ``root``; returns what is true.

    ``form``: "png" or "dicom" for radiographs, "volume" for small NRRD volumes of (pixels / 2, pixels, pixels) with
    a bright ball as finding. Of every four images the first two are of one patient.
    """
    root, cases, rows = Path(root), [], []
    write = _WRITERS[form]
    for number, (image, mask) in enumerate(_drawn(form, count, seed, pixels)):
        path = write(root / "images" / f"{number:04d}", image)
        case = TreeCase(path, f"P{_person(number, 4):03d}", number % 2, mask)
        cases.append(case)
        name = ""
        if case.label:
            marked = (255 * mask).astype(np.uint8)
            name = _beside(root, _WRITERS["volume" if form == "volume" else "png"](root / "masks" / path.stem, marked))
        rows.append((_beside(root, path), ("normal", "opacity")[case.label], case.patient, name))
    _write_table(root / CSV_TABLE, ("image", "label", "patient", "mask"), rows)
    return cases


def _chests(count: int, seed: int, pixels: int, plain: bool = False) -> Iterable[Phantom]:
    for number in range(count):
        # Seeds of different trees must not meet: their images would be the same.
        own = derived_seed(seed, "tree", number) % 10**9
        yield chest_phantom(own, "random" if number % 2 else None, pixels, not plain, _PLAIN_DENSITY if plain else 1.0)


def _drawn(form: Form, count: int, seed: int, pixels: int) -> Iterable[tuple[Any, NDArray[np.bool_]]]:
    """What the writer of ``form`` takes, and where the finding is."""
    if form == "volume":
        yield from _volumes(count, seed, pixels)
        return
    for phantom in _chests(count, seed, pixels):
        yield phantom if form == "dicom" else phantom.volume.array, _finding(phantom)


def _volumes(count: int, seed: int, pixels: int) -> Iterable[tuple[NDArray[np.int16], NDArray[np.bool_]]]:
    """Smooth noise, and a ball in every second one."""
    shape = (max(pixels // 2, 4), pixels, pixels)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    for number in range(count):
        rng = generator(seed, "tree volume", number)
        values = 40 * rng.standard_normal(shape, dtype=np.float32)
        values += 1500 * blurred(rng.standard_normal(shape, dtype=np.float32), pixels / 12, (1.0, 1.0, 1.0))
        radius = pixels * rng.uniform(0.1, 0.16)
        centre = [rng.uniform(radius, n - 1 - radius) if n > 2 * radius + 1 else (n - 1) / 2 for n in shape]
        ball = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2
        mask = ball if number % 2 else np.zeros(shape, dtype=bool)
        yield np.clip(np.round(500 + values + 200 * mask), 0, 4000).astype(np.int16), mask


def _person(number: int, group: int) -> int:
    """Whose image it is: the first two of every ``group`` are of one person."""
    return number - 1 if number % group == 1 else number


def _uuid(*parts: str | int) -> str:
    return str(uuid.UUID(bytes=generator(0, "tree", *parts).bytes(16), version=4))


def _finding(phantom: Phantom) -> NDArray[np.bool_]:
    if "lesion" not in phantom.regions.names:
        return np.zeros(phantom.volume.geometry.shape, dtype=bool)
    return phantom.regions.get("lesion").mask(phantom.volume.geometry.shape)


def _parts(mask: NDArray[np.bool_], in_two: bool) -> list[NDArray[np.bool_]]:
    """The (row, column) masks to write: none, the whole finding, or its upper and its lower half."""
    plane = mask[0]
    rows = np.flatnonzero(plane.any(axis=1))
    if not rows.size:
        return []
    middle = int(rows[0] + rows[-1] + 1) // 2
    if not in_two or middle == rows[0]:
        return [plane]
    upper, lower = plane.copy(), plane.copy()
    upper[middle:], lower[:middle] = False, False
    return [upper, lower]


def _box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """x, y, width and height of what is marked, in pixels from the image's upper left corner."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    width, height = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
    return float(columns[0]), float(rows[0]), float(width), float(height)


def _write_dicom(phantom: Phantom, path: Path, patient: str) -> Path:
    ds = dx_object(phantom)
    ds.PatientID = patient
    return save(ds, path)


def _write_png(path: Path, values: NDArray[np.generic]) -> Path:
    """A (1, row, column) array as an 8- or 16-bit grey PNG."""
    from PIL import Image

    target = path.with_suffix(".png")
    make_folder(target.parent)
    try:
        Image.fromarray(values[0]).save(target)
    except OSError as error:
        raise write_error(error) from error
    return target


def _write_volume(path: Path, values: NDArray[np.generic]) -> Path:
    """An NRRD with voxels of 3 x 2 x 2 mm; its axes are those of LPS."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing((2.0, 2.0, 3.0))  # type: ignore[no-untyped-call]
    target = path.with_suffix(".nrrd")
    make_folder(target.parent)
    try:
        SimpleITK.WriteImage(image, str(target), useCompression=True)
    except RuntimeError as error:  # the one exception that SimpleITK has; what the disk says is in its text
        raise write_error(OSError()) from error
    return target


_WRITERS: dict[str, Callable[..., Path]] = {
    "png": _write_png,
    "volume": _write_volume,
    "dicom": lambda path, phantom: _write_dicom(phantom, path.with_suffix(".dcm"), f"PHANTOM-{phantom.seed}"),
}


def _beside(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
