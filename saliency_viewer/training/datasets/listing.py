"""What a data set's tables say, before any image was looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from saliency_viewer.domain.training import Box, DatasetName, TrainingCase, TrainingPlan
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.datasets.problems import Problems


@dataclass(frozen=True)
class Listed:
    """A case and the row of its table that names it first (the header is row 1, as in a spreadsheet).

    ``finding_rows`` are the rows of its boxes or of its runs, one for each.
    """

    row: int
    case: TrainingCase
    finding_rows: tuple[int, ...] = ()

    def with_box(self, box: Box, row: int) -> Listed:
        """With one more box."""
        case = replace(self.case, boxes=(*self.case.boxes, box))
        return replace(self, case=case, finding_rows=(*self.finding_rows, row))

    def with_runs(self, runs: str, row: int) -> Listed:
        """With the run lengths of one more mask."""
        case = replace(self.case, runs=(*self.case.runs, runs))
        return replace(self, case=case, finding_rows=(*self.finding_rows, row))

    def with_patient(self, patient: str) -> Listed:
        """As another person's."""
        return replace(self, case=replace(self.case, patient=patient))

    def with_label(self, label: int) -> Listed:
        """Of another class."""
        return replace(self, case=replace(self.case, label=label))


@dataclass(frozen=True)
class Listing:
    """Every case whose row can be understood; what is wrong with the others stands among the problems.

    ``named_patients`` is False where the tables do not say whose image it is, so that the files' headers are asked.
    ``published`` sets are as they are: copies that contradict each other are left out there instead of refused.
    """

    classes: tuple[str, ...]
    cases: tuple[Listed, ...]
    finding: str = "finding"
    modality: tuple[str, ...] = ()
    body_part: tuple[str, ...] = ()
    named_patients: bool = True
    published: bool = False
    warnings: tuple[str, ...] = ()


class DataSet(Protocol):
    """One layout of a data set on disk."""

    name: DatasetName
    label: str

    def read(self, plan: TrainingPlan, problems: Problems, context: RunContext) -> Listing:
        """The cases of ``plan.root``. Raises :class:`UserError` when the tables are not there or cannot be read."""
