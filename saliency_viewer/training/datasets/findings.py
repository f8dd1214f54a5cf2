"""Where the finding of a training case is, as regions on its image."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet
from saliency_viewer.domain.training import Box, TrainingCase
from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions, open_study
from saliency_viewer.spatial import Geometry, runs_mask


def finding_regions(case: TrainingCase, geometry: Geometry, name: str = "finding") -> RegionSet | None:
    """The finding of ``case`` on its image's grid.

    Parameters
    ----------
    case:
        Its boxes and run lengths become one region of the name ``name``, the union of all. A mask file becomes the
        regions that it marks; a single one is called ``name`` too.
    geometry:
        The grid of the case's image. Boxes and runs are of pictures: one slice.
    name:
        What the finding is called: :attr:`TrainingData.finding`.

    Returns
    -------
    RegionSet or None
        None where the case has no finding, or where nothing says where it is.

    Raises
    ------
    UserError
        When boxes or runs stand beside a volume of several slices, or a mask cannot be read or does not fit.
    """
    if case.mask:
        return mask_regions(case.mask, geometry, name)
    if not case.boxes and not case.runs:
        return None
    if not geometry.is_planar:
        raise UserError(
            "The finding is given by boxes or run lengths, which are of pictures, and the image is a volume.",
            "Give a mask file for each volume.",
        )
    shape = (geometry.shape[1], geometry.shape[2])
    plane = np.zeros(shape, dtype=bool)
    for box in case.boxes:
        plane |= box_mask(box, shape)
    for text in case.runs:
        plane |= _resized(runs_mask(text, case.runs_shape or shape), shape)
    regions = RegionSet(geometry)
    return regions.with_region(Region.from_mask(name, regions.next_colour(), plane[np.newaxis]))


def box_mask(box: Box, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels whose centres lie in ``box``, as a (row, column) mask of ``shape``.

    A centre on the upper or left edge belongs to the box, one on the lower or right edge does not, so that boxes
    side by side share no pixel: row 2 with height 3 is rows 2, 3 and 4, row 1.5 with height 1 is row 1. A box too
    small to hold any centre is the one pixel that holds its own.
    """
    mask = np.zeros(shape, dtype=bool)
    rows = _covered(box.row, box.height, shape[0])
    columns = _covered(box.column, box.width, shape[1])
    mask[rows, columns] = True
    return mask


def _covered(first: float, size: float, count: int) -> slice:
    start, stop = math.ceil(first - 0.5), math.ceil(first + size - 0.5)
    if start >= stop:
        start = math.floor(first + size / 2)
        stop = start + 1
    return slice(min(max(start, 0), count), min(max(stop, 0), count))


def _resized(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask on another number of rows and columns over the same field: each pixel asks where its centre falls."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for new, old in zip(shape, mask.shape, strict=True)
    )
    return mask if mask.shape == shape else mask[np.ix_(rows, columns)]


def mask_regions(path: str, geometry: Geometry, name: str) -> RegionSet | None:
    """The regions that a mask file marks; None for an empty one, as tables have for images without a finding."""
    try:
        found = load_regions(path, geometry)
    except UserError:
        if _is_empty(path, geometry):
            return None
        raise
    if len(found) != 1:
        return found
    return replace(found, regions=(replace(found.regions[0], name=name),))


def _is_empty(path: str, geometry: Geometry) -> bool:
    """Whether the file is an image of the right size with nothing but zeros."""
    try:
        volume = open_study(path).choose().load()
    except UserError:
        return False
    return volume.array.shape == geometry.shape and not np.any(volume.array)
