"""The RSNA Pneumonia Detection Challenge (Kaggle, 2018) as published.

Shih G et al., Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations of
Possible Pneumonia. Radiology: Artificial Intelligence 2019; 1(1): e180041.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from saliency_viewer.domain import ImageReference
from saliency_viewer.domain.training import Box, DatasetName, TrainingCase, TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.datasets import problems as kinds
from saliency_viewer.training.datasets.listing import Listed, Listing
from saliency_viewer.training.datasets.places import require_folder, table_below
from saliency_viewer.training.datasets.problems import Problems
from saliency_viewer.training.datasets.table import Row, Table, read_table

_LABELS = ("stage_2_train_labels.csv", "stage_1_train_labels.csv")
_PATIENTS = "pneumonia-challenge-dataset-mappings_2018.json"
_COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
_CLASSES = ("no pneumonia", "pneumonia")
# The detailed table's own words, from the least to the most that is seen.
_DETAILED = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
_NO_PATIENTS = (
    "The tables do not say which images are of one person, so each counts as a patient of its own and may stand on "
    f"another side of the split than its twin. {_PATIENTS} from RSNA, put beside the tables, keeps them together."
)


class Rsna:
    """``stage_2_train_images/<patientId>.dcm``, ``stage_2_train_labels.csv`` with a row for each box.

    ``stage_2_detailed_class_info.csv`` is asked for three classes instead of two (``columns = {"label": "class"}``),
    and ``pneumonia-challenge-dataset-mappings_2018.json`` for who is who: a ``patientId`` is an image, not a person.
    """

    name: DatasetName = "rsna"
    label = "RSNA Pneumonia Detection Challenge"

    def read(self, plan: TrainingPlan, problems: Problems, context: RunContext) -> Listing:
        """One case for each ``patientId``, at its first row."""
        path = table_below(plan.root, _LABELS, self.label)
        table = read_table(path, f"table {path.name}")
        _require_columns(table, path.name, _COLUMNS)
        stage = path.name.removesuffix("_train_labels.csv")
        images = require_folder((path.parent / f"{stage}_train_images",), f"{stage}_train_images.zip")
        found: dict[str, Listed] = {}
        for row in table.rows:
            _add(row, images, found, problems)
        found, classes = _detailed(plan, path.with_name(f"{stage}_detailed_class_info.csv"), found, problems)
        people = _people(path.with_name(_PATIENTS))
        cases = tuple(one.with_patient(people.get(name, name)) for name, one in found.items())
        return Listing(
            classes,
            cases,
            finding="opacity",
            modality=("CR", "DX"),
            body_part=("CHEST",),
            published=True,
            warnings=() if people else (_NO_PATIENTS,),
        )


def _require_columns(table: Table, name: str, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if not table.find(column)]
    if missing:
        raise UserError(
            f"{name} has no column {' and no column '.join(missing)}.", f"Its columns are {', '.join(columns)}."
        )


def _add(row: Row, images: Path, found: dict[str, Listed], problems: Problems) -> None:
    """Add a row's image, or its box to the image that an earlier row named."""
    name = row.get("patientId")
    if not name or Path(name).name != name:
        problems.add(kinds.NO_IMAGE_NAME, row.number)
        return
    label = {"0": 0, "0.0": 0, "1": 1, "1.0": 1}.get(row.get("Target"))
    if label is None:
        problems.add(kinds.UNKNOWN_LABEL if row.get("Target") else kinds.NO_LABEL, row.number)
        return
    known = found.get(name)
    if known is None:
        reference = ImageReference(str(images / f"{name}.dcm"))
        known = Listed(row.number, TrainingCase(f"row {row.number}", reference, name, label))
    elif known.case.label != label:
        problems.add(kinds.TWO_LABELS, known.row)
    box = _box(row, label, problems)
    found[name] = known if box is None else known.with_box(box, row.number)


def _box(row: Row, label: int, problems: Problems) -> Box | None:
    texts = [row.get(column) for column in ("y", "x", "height", "width")]
    if not any(texts):
        return None
    try:
        top, left, height, width = (float(text) for text in texts)
    except ValueError:
        problems.add(kinds.BAD_BOX, row.number)
        return None
    if not all(map(math.isfinite, (top, left, height, width))) or height <= 0 or width <= 0:
        problems.add(kinds.BAD_BOX, row.number)
        return None
    if not label:
        problems.add(kinds.BOX_OF_NOTHING, row.number)
    return Box(top, left, height, width)


def _detailed(
    plan: TrainingPlan, path: Path, found: dict[str, Listed], problems: Problems
) -> tuple[dict[str, Listed], tuple[str, ...]]:
    """The cases with the classes that the plan asks for: two of the targets, or three of the detailed table."""
    wanted = plan.columns.get("label", "Target").strip().casefold()
    if wanted == "target":
        return found, _CLASSES
    if wanted != "class":
        raise UserError(
            "The RSNA set has no such label column.", "Its labels are Target (two classes) or class (three)."
        )
    table = read_table(path, f"table {path.name}")
    _require_columns(table, path.name, ("patientId", "class"))
    index = {text.casefold(): number for number, text in enumerate(_DETAILED)}
    labels = {row.get("patientId"): index.get(row.get("class").casefold()) for row in table.rows}
    kept = {}
    for name, one in found.items():
        label = labels.get(name)
        if label is None:
            problems.add(kinds.UNKNOWN_LABEL if name in labels else kinds.NO_LABEL, one.row)
        else:
            kept[name] = one.with_label(label)
    return kept, tuple(text.lower() for text in _DETAILED)


def _people(path: Path) -> Mapping[str, str]:
    """For each ``patientId`` the person of the NIH ChestX-ray14 set (``00001234_005.png``); empty without the file."""
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {str(one["subset_img_id"]): str(one["img_id"]).split("_")[0] for one in entries}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path.name} is damaged or of another form.", "Copy it again, or take it away.", type(error).__name__
        ) from error
