"""A first look at every image, by its header: is it there, can it be read, how large is it, whose is it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from saliency_viewer.domain import Series
from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.datasets.listing import Listed
from saliency_viewer.training.datasets.places import is_there
from saliency_viewer.training.datasets.problems import NOT_THERE, UNREADABLE, Problems


@dataclass(frozen=True)
class Looked:
    """A case whose image can be read, with what its header says."""

    listed: Listed
    series: Series = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slice, row, column) as stored."""
        return self.series.slices, self.series.rows, self.series.columns


def look(cases: Sequence[Listed], problems: Problems, context: RunContext) -> list[Looked]:
    """The cases whose images are there and can be read; the others become problems.

    Some tenths of a millisecond for a radiograph on a local disk; a folder of slices takes as long as it has files.
    """
    found = []
    for done, listed in enumerate(cases):
        if done % 16 == 0:
            context.report(done / len(cases), f"Looking at images: {done:,} of {len(cases):,}")
        series = _series(listed, problems)
        if series is not None:
            found.append(Looked(listed, series))
    return found


def _series(listed: Listed, problems: Problems) -> Series | None:
    reference = listed.case.image
    if not is_there(Path(reference.path)):
        problems.add(NOT_THERE, listed.row)
        return None
    try:
        return open_study(reference.path).choose(reference.series)
    except UserError as error:
        problems.add(UNREADABLE, listed.row, error.message)
        return None
