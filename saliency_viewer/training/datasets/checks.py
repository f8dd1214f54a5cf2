"""Whether boxes, run lengths and masks fit the images that they belong to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from saliency_viewer.domain.training import Box
from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry, parse_runs
from saliency_viewer.training.datasets import problems as kinds
from saliency_viewer.training.datasets.findings import mask_regions
from saliency_viewer.training.datasets.headers import Looked
from saliency_viewer.training.datasets.places import is_there
from saliency_viewer.training.datasets.problems import Problems
from saliency_viewer.training.datasets.siim import PUBLISHED_SHAPE

_ROUNDING = 0.5  # of a pixel: how far a box may reach over the border, where it takes no further centre along
_RESIZED = (
    "The run lengths were counted on images of 1024 x 1024, as published, and the images are of another size: the "
    "masks are resized onto them."
)


def check_findings(
    cases: Sequence[Looked], problems: Problems, context: RunContext
) -> tuple[list[Looked], tuple[str, ...]]:
    """The cases, with the grid that their runs were counted on, and what to say of it; misfits become problems."""
    shape = runs_shape(cases)
    found = [_with_runs_shape(one, shape, problems) for one in cases]
    for done, one in enumerate(found):
        if done % 16 == 0:
            context.report(done / len(cases), f"Checking findings: {done:,} of {len(cases):,}")
        for box, row in zip(one.listed.case.boxes, one.listed.finding_rows, strict=False):
            if not _inside(box, one.shape):
                problems.add(kinds.BOX_OUTSIDE, row)
        if one.listed.case.mask:
            _check_mask(one, problems)
    return found, () if shape is None else (_RESIZED,)


def _inside(box: Box, shape: tuple[int, int, int]) -> bool:
    _, rows, columns = shape
    return (
        min(box.row, box.column) >= -_ROUNDING
        and box.row + box.height <= rows + _ROUNDING
        and box.column + box.width <= columns + _ROUNDING
    )


def runs_shape(cases: Sequence[Looked]) -> tuple[int, int] | None:
    """The (rows, columns) that all runs were counted on when these are not the images' own; else None.

    The published images are all of 1024 x 1024, and other sizes of them usually keep the table as it was. The whole
    table decides: runs that leave a smaller image, or that all end in the first 1024 x 1024 pixels of larger ones,
    which is the left part only, were counted on the published size.
    """
    marked = [(one.shape[1], one.shape[2], _reach(one)) for one in cases if one.listed.case.runs]
    side = PUBLISHED_SHAPE[0]
    if not marked or any(rows != columns or rows == side for rows, columns, _ in marked):
        return None
    smaller = any(reach > rows * columns for rows, columns, reach in marked if rows < side)
    larger = all(rows > side and reach <= side * side for rows, _, reach in marked)
    return PUBLISHED_SHAPE if smaller or larger else None


def _reach(one: Looked) -> float:
    """The number of pixels up to the end of the last run."""
    return max(map(_end, one.listed.case.runs))


def _end(runs: str) -> float:
    return float(parse_runs(runs).astype(np.float64).sum())  # whole numbers could wrap around


def _with_runs_shape(one: Looked, shape: tuple[int, int] | None, problems: Problems) -> Looked:
    if not one.listed.case.runs:
        return one
    for text, row in zip(one.listed.case.runs, one.listed.finding_rows, strict=False):
        if _end(text) > math.prod(shape or one.shape[1:]):
            problems.add(kinds.RUNS_OUTSIDE, row)
    return replace(one, listed=replace(one.listed, case=replace(one.listed.case, runs_shape=shape)))


def _check_mask(one: Looked, problems: Problems) -> None:
    path = one.listed.case.mask
    if not is_there(Path(path)):
        problems.add(kinds.NO_MASK, one.listed.row)
        return
    try:
        if one.series.slices == 1:
            mask_regions(path, Geometry.from_spacing(one.shape), "finding")
        elif not _same_shape(path, one.shape):
            # Another grid may still lie in the same place, which only the image's own can tell.
            mask_regions(path, one.series.load().geometry, "finding")
    except UserError as error:
        problems.add(kinds.BAD_MASK, one.listed.row, error.message)


def _same_shape(path: str, shape: tuple[int, int, int]) -> bool:
    """Whether the mask is an image of that shape, by its header; masks that are no images are not."""
    try:
        series = open_study(path).choose()
    except UserError:
        return False
    return (series.slices, series.rows, series.columns) == shape
