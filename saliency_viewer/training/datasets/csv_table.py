"""Any table of images with their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from saliency_viewer.domain import ImageReference
from saliency_viewer.domain.training import DatasetName, Side, TrainingCase, TrainingPlan
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.datasets import problems as kinds
from saliency_viewer.training.datasets.labels import MOST_CLASSES, UNKNOWN, class_of, classes_of, is_numeric
from saliency_viewer.training.datasets.listing import Listed, Listing
from saliency_viewer.training.datasets.places import is_there
from saliency_viewer.training.datasets.problems import Problems
from saliency_viewer.training.datasets.table import Row, Table, key, read_table

# What a column may be called where the plan does not name it, the likeliest first.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "image": ("image", "path", "file", "filename", "file name"),
    "label": ("label", "class", "target", "diagnosis"),
    "patient": ("patient", "patient_id", "patientid", "patient id", "subject"),
    "mask": ("mask", "segmentation", "regions"),
    "series": ("series",),
    "split": ("split",),
}
_REQUIRED = ("image", "label")
_SIDES: Mapping[str, Side] = {
    **dict.fromkeys(("train", "training", "trn"), "training"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "tune"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "hold-out"), "test"),
}
_NO_PATIENTS = (
    "The table has no patient column. Images are of one patient where their DICOM headers say so; every other one "
    "counts as a patient of its own and may stand on another side of the split than its twin."
)


class CsvTable:
    """A row for each image: ``image``, ``label`` and, where known, ``patient``, ``mask``, ``series``, ``split``.

    ``TrainingPlan.columns`` says which column is which, where the table calls them otherwise.
    """

    name: DatasetName = "csv"
    label = "Table of images"

    def read(self, plan: TrainingPlan, problems: Problems, context: RunContext) -> Listing:
        """One case for each row. Paths start beside the table, in ``images`` or ``masks`` there, or where we are."""
        path = _table_file(Path(plan.root))
        table = read_table(path, "table")
        if not table.rows:
            raise UserError("The table has no rows below its header.", "Add a row for each image.")
        columns = _columns(table, plan.columns)
        labelled = [(row, row.get(columns["label"])) for row in table.rows]
        known = [(row, text) for row, text in labelled if text and text.casefold() not in UNKNOWN]
        for row, text in labelled:
            if not text or text.casefold() in UNKNOWN:
                problems.add(kinds.UNKNOWN_LABEL if text else kinds.NO_LABEL, row.number)
        classes = classes_of(text for _, text in known)
        _require_few(len(classes), len(known))
        numeric = is_numeric(text for _, text in known)
        reader = _Rows(path.parent, columns, problems)
        cases = [reader.case(row, classes[class_of(text, numeric)][0]) for row, text in known]
        return Listing(
            tuple(name for _, name in classes.values()),
            tuple(case for case in cases if case is not None),
            named_patients=bool(columns["patient"]),
            warnings=() if columns["patient"] else (_NO_PATIENTS,),
        )


def _table_file(path: Path) -> Path:
    """``path``, or the only table in it when it is a folder."""
    if not path.is_dir():
        return path
    tables = sorted(path.glob("*.csv"))
    if len(tables) != 1:
        count = f"{len(tables)} tables" if tables else "no table (.csv)"
        raise UserError(f"The folder holds {count}.", "Choose the file of the table itself.")
    return tables[0]


def _columns(table: Table, wanted: Mapping[str, str]) -> dict[str, str]:
    """The table's name of every column that we know; empty for those that it has not."""
    foreign = [name for name in wanted if name not in _NAMES]
    if foreign:
        raise UserError(f"There is no column role '{foreign[0]}'.", f"Choose among {', '.join(_NAMES)}.")
    found = {}
    for role, names in _NAMES.items():
        asked = wanted.get(role, "")
        found[role] = table.find(*((asked,) if asked else names))
        if not found[role] and (asked or role in _REQUIRED):
            have = ", ".join(column for column in table.columns if column)
            raise UserError(
                f"The table has no column '{asked or role}'.",
                f"It has: {have}. Say which of them is the {role}: in the field {role.capitalize()}, or as --column "
                f"{role}=NAME.",
            )
    twice = [name for role, name in found.items() if name and list(map(key, found.values())).count(key(name)) > 1]
    if twice:
        raise UserError(f"The column '{twice[0]}' is asked for twice.", "Give every role a column of its own.")
    return found


def _require_few(classes: int, images: int) -> None:
    """Names, dates or measurements in the place of labels are noticed before they are shown anywhere."""
    if classes > MOST_CLASSES or (classes > 20 and classes > images / 2):
        raise UserError(
            f"The label column holds {classes:,} different texts for {images:,} images, which are no classes.",
            "Choose the column that says which class an image is of.",
        )


@dataclass(frozen=True)
class _Rows:
    """Makes cases of rows."""

    folder: Path
    columns: Mapping[str, str]
    problems: Problems

    def case(self, row: Row, label: int) -> Listed | None:
        """The row's case; None, with the reason among the problems, when it cannot be one."""
        image, patient = self._get(row, "image"), self._get(row, "patient")
        if not image:
            self.problems.add(kinds.NO_IMAGE_NAME, row.number)
            return None
        if self.columns["patient"] and not patient:
            self.problems.add(kinds.NO_PATIENT, row.number)
            return None
        side: Side = ""
        if self.columns["split"]:
            side = _SIDES.get(self._get(row, "split").casefold(), "")
            if not side:
                self.problems.add(kinds.NO_SIDE, row.number)
        mask = self._get(row, "mask")
        case = TrainingCase(
            f"row {row.number}",
            ImageReference(_placed(self.folder, image, "images"), self._get(row, "series") or None),
            patient or f"row {row.number}",
            label,
            mask=_placed(self.folder, mask, "masks") if mask else "",
            side=side,
        )
        return Listed(row.number, case)

    def _get(self, row: Row, role: str) -> str:
        column = self.columns[role]
        return row.get(column) if column else ""


def _placed(folder: Path, name: str, inner: str) -> str:
    """A table's path starts beside the table, in a folder of that name there, or in the present folder."""
    given = Path(name.replace("\\", "/") if "\\" in name and "/" not in name else name)
    own = folder / given
    return str(next((place for place in (own, folder / inner / given, given) if is_there(place)), own))
