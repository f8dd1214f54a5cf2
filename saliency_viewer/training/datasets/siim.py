"""The SIIM-ACR Pneumothorax Segmentation challenge (Kaggle, 2019) as published, and the mirrors of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from saliency_viewer.domain import ImageReference
from saliency_viewer.domain.training import DatasetName, TrainingCase, TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.readers.tree import files_below
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import NO_RUNS, parse_runs
from saliency_viewer.training.datasets import problems as kinds
from saliency_viewer.training.datasets.listing import Listed, Listing
from saliency_viewer.training.datasets.places import table_below
from saliency_viewer.training.datasets.problems import Problems
from saliency_viewer.training.datasets.table import Row, read_table

PUBLISHED_SHAPE = (1024, 1024)
_TABLES = ("train-rle.csv", "stage_2_train.csv", "train-rle-sample.csv")
_IMAGES = "dicom-images-train"
_ENDINGS = (".dcm", ".dicom", ".png", ".jpg", ".jpeg", "")
_CLASSES = ("no pneumothorax", "pneumothorax")


class Siim:
    """``dicom-images-train/<study>/<series>/<image>.dcm`` and ``train-rle.csv`` with a row for each annotation.

    Images are found by their name (the SOP Instance UID) wherever they lie below the folder, so that flat copies and
    pictures made from them open too. Whose image it is stands in the DICOM headers.
    """

    name: DatasetName = "siim"
    label = "SIIM-ACR Pneumothorax"

    def read(self, plan: TrainingPlan, problems: Problems, context: RunContext) -> Listing:
        """One case for each ``ImageId``, at its first row. Runs keep the data set's own convention."""
        path = table_below(plan.root, _TABLES, self.label)
        table = read_table(path, f"table {path.name}")
        if not (table.find("ImageId") and table.find("EncodedPixels")):
            raise UserError(
                f"{path.name} has not the columns ImageId and EncodedPixels.",
                "Choose the folder with the table as it is published.",
            )
        images = _images_below(path.parent, context)
        found: dict[str, Listed] = {}
        for row in table.rows:
            _add(row, images, path.parent, found, problems)
        return Listing(
            _CLASSES,
            tuple(found.values()),
            finding="pneumothorax",
            modality=("CR", "DX"),
            body_part=("CHEST",),
            named_patients=False,
            published=True,
            warnings=_without_rows(images, found),
        )


def _images_below(root: Path, context: RunContext) -> Mapping[str, Path]:
    """Files by their name without its ending; those of the published folder go before copies elsewhere."""
    found: dict[str, Path] = {}
    for folder in (root / _IMAGES, root):
        for path in files_below(folder, context):
            if any(part.lower().startswith("mask") for part in path.relative_to(root).parts):
                continue  # of some mirrors, under the names of their images
            # UIDs have dots, so only known endings are taken off.
            ending = next(one for one in _ENDINGS if path.name.lower().endswith(one))
            found.setdefault(path.name[: len(path.name) - len(ending)], path)
    return found


def _add(row: Row, images: Mapping[str, Path], root: Path, found: dict[str, Listed], problems: Problems) -> None:
    name = row.get("ImageId")
    if not name or Path(name).name != name:
        problems.add(kinds.NO_IMAGE_NAME, row.number)
        return
    text = row.get("EncodedPixels")
    if not text:
        problems.add(kinds.NO_LABEL, row.number)
        return
    known = found.get(name)
    if known is None:
        reference = ImageReference(str(images.get(name, root / _IMAGES / f"{name}.dcm")))
        known = Listed(row.number, TrainingCase(f"row {row.number}", reference, name, int(text != NO_RUNS)))
    elif bool(known.case.label) != (text != NO_RUNS):
        problems.add(kinds.RUNS_OF_NOTHING, row.number)
    try:
        marked = bool(parse_runs(text).size)
    except UserError:
        problems.add(kinds.BAD_RUNS, row.number)
        marked = False
    found[name] = known.with_runs(text, row.number) if marked else known


def _without_rows(images: Mapping[str, Path], found: Mapping[str, Listed]) -> tuple[str, ...]:
    """A sentence about training images that no row speaks of; the first release has some."""
    left = sum(1 for name, path in images.items() if name not in found and _IMAGES in path.parts)
    if not left:
        return ()
    words = "image has no row in the table and is" if left == 1 else "images have no row in the table and are"
    return (f"{left:,} {words} left out.",)
