"""Masks as run lengths, in the convention of the SIIM-ACR pneumothorax set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError

NO_RUNS = "-1"
_CONVENTION = (
    "Runs are pairs of whole numbers, a gap and a length, where each gap counts from the end of the run before."
)


def parse_runs(text: str) -> NDArray[np.int64]:
    """(n, 2) gaps and lengths; ``"-1"`` and an empty text give none.

    Raises :class:`UserError` when a number is missing, negative or no whole number.
    """
    words = text.split()
    if words in ([], [NO_RUNS]):
        return np.zeros((0, 2), dtype=np.int64)
    if not all(word.isascii() and word.isdigit() and len(word) < 16 for word in words):
        raise UserError("The run lengths of a mask hold something other than whole numbers.", _CONVENTION)
    if len(words) % 2:
        raise UserError("The run lengths of a mask are an odd number of numbers, so one is missing.", _CONVENTION)
    return np.array(words, dtype=np.int64).reshape(-1, 2)


def runs_mask(text: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The (row, column) mask that ``text`` marks on an image of ``shape``.

    Parameters
    ----------
    text:
        Numbers with spaces between: gap, length, gap, length, ... Pixels are counted from 0 at the upper left, down
        each column and then on to the next one. The first gap counts from the first pixel, every other one from
        the pixel behind the run before; most other sets of masks give starts counted from 1 instead. ``"-1"``
        or nothing: an empty mask.
    shape:
        (rows, columns) that the runs were counted on; 1024 x 1024 in the published set.

    Raises
    ------
    UserError
        For what :func:`parse_runs` refuses, and for runs that leave the image.
    """
    runs = parse_runs(text)
    rows, columns = shape
    # Compared with each number first: a sum of huge ones would wrap around.
    if runs.size and (runs.max() > rows * columns or runs.sum() > rows * columns):
        raise UserError("The run lengths of a mask leave the image.", f"{_CONVENTION} They go down the columns.")
    values = np.tile(np.array([False, True]), len(runs))
    marked = np.repeat(values, runs.ravel())
    flat = np.zeros(rows * columns, dtype=bool)
    flat[: marked.size] = marked
    return np.ascontiguousarray(flat.reshape(columns, rows).T)


def mask_runs(mask: NDArray[np.generic]) -> str:
    """The run lengths of a (row, column) mask, the inverse of :func:`runs_mask`; ``"-1"`` for an empty one."""
    line = (np.asarray(mask) != 0).T.ravel()
    edges = np.flatnonzero(np.diff(line, prepend=False, append=False))
    if not edges.size:
        return NO_RUNS
    return " ".join(map(str, np.diff(edges, prepend=0)))
