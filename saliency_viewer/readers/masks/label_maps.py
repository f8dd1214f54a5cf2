"""Label maps as regions, and soft masks cut at half their maximum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet, regions_from_labels
from saliency_viewer.errors import UserError
from saliency_viewer.readers.masks.naming import listed, palette
from saliency_viewer.readers.masks.soft import mixing
from saliency_viewer.spatial import Geometry

MOST_VOLUMES = 256  # of a 4D file; more is a time series
_MOST_LABELS = 4096  # FreeSurfer's tables have some hundred labels
_FEW = 8  # levels up to this many are labels without a look at their neighbours
_MANY = 64  # more than this many that change like an image's are an image
_BLURRED, _NOISY = 0.8, 0.3  # see soft.mixing
_LARGEST = 2**31 - 1
_TABLE = 2**24  # labels up to this are looked up in a table, larger ones by sorting
_UNDERSHOOT = 0.1  # of the maximum: how far below 0 a smooth interpolation may leave a soft mask


def regions_of_values(values: NDArray[np.generic], grid: Geometry, lossy: bool = False) -> RegionSet:
    """Regions of a (slice, row, column) array of labels or grey levels.

    Whole numbers are labels: one becomes "region", several "label N". Fractions, a ``lossy`` file's levels, and more
    than 8 whole levels that lie between their neighbours (:func:`~saliency_viewer.readers.masks.soft.mixing`) are one
    soft mask, cut at half its maximum with a warning. Raises :class:`UserError` for an empty mask, an image, values
    that are no labels (negative, infinite, beyond 32 bits, colours, complex numbers) and more than 4096 labels.
    """
    numbers, warnings = _finite(values)
    low, high = _bounds(numbers)
    if high <= 0 and low == 0:
        raise UserError("The mask is empty: it marks no pixel.", "Choose another file.")
    if _is_fractional(numbers):
        _require_mask(low, -_UNDERSHOOT * high)
        return _cut(numbers, grid, high, warnings)
    _require_mask(low, 0)
    if high > _LARGEST:
        raise UserError(
            "The mask holds numbers beyond 2 147 483 647, which are no labels.",
            "Choose the file with the labels 1, 2, 3, ...",
        )
    levels = _levels(numbers, int(high))
    if (lossy and levels.size > 2) or _is_soft(numbers, levels):
        return _cut(numbers, grid, high, warnings)
    if levels.size - 1 > _MOST_LABELS:
        raise UserError(
            f"The mask holds {levels.size - 1} labels, more than the {_MOST_LABELS} that can be told apart.",
            "Choose a label map; an image or a map of numbers is none.",
        )
    return replace(_labelled(numbers, grid, levels), warnings=warnings)


def regions_of_volumes(volumes: Iterable[NDArray[np.generic]], grid: Geometry, word: str = "volume") -> RegionSet:
    """Each of several (slice, row, column) arrays as a region "volume N", or "volume N label L" for each of its labels.

    They may overlap. Empty ones are left out with a warning; raises :class:`UserError` when all are empty, and for
    whatever :func:`regions_of_values` refuses.
    """
    regions: list[Region] = []
    warnings: list[str] = []
    empty: list[str] = []
    for number, values in enumerate(volumes, start=1):
        name = f"{word} {number}"
        if not np.any(values):
            empty.append(name)
            continue
        found = regions_of_values(values, grid)
        alone = len(found) == 1
        for region in found.regions:
            colour = palette(len(regions))
            regions.append(replace(region, name=name if alone else f"{name} {region.name}", colour=colour))
        warnings += [f"{name}: {words}" for words in found.warnings]
    if not regions:
        raise UserError("The mask is empty: it marks no pixel.", "Choose another file.")
    if empty:
        warnings.append(f"Empty and left out: {listed(empty)}.")
    return RegionSet(grid, tuple(regions), tuple(warnings))


def _finite(values: NDArray[np.generic]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Real numbers, with 0 for those that are not a number."""
    if values.dtype.kind not in "buif":
        raise UserError("The mask holds colours or complex numbers, which are no labels.", "Save it in grey values.")
    if values.dtype.kind == "b":
        return values.view(np.uint8), ()
    if values.dtype.kind != "f":
        return values, ()
    missing = np.isnan(values)
    if not missing.any():
        return values, ()
    words = f"{int(missing.sum())} voxels of the mask hold no number; they count as outside."
    return np.where(missing, values.dtype.type(0), values), (words,)


def _bounds(values: NDArray[Any]) -> tuple[float, float]:
    low, high = values.min(initial=0), values.max(initial=0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UserError("The mask holds infinite values, which are no labels.", "Choose the file with the labels.")
    return low.item(), high.item()


def _require_mask(low: float, lowest: float) -> None:
    if low < lowest:
        raise UserError(
            "The mask holds negative values, and labels are positive: it may be an image or a signed map.",
            "Choose the file with the mask.",
        )


def _is_fractional(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "f" and any(not np.array_equal(plane, np.rint(plane)) for plane in values)


def _is_soft(values: NDArray[Any], levels: NDArray[np.int64]) -> bool:
    if levels.size <= _FEW:
        return False
    mixed = mixing(values, levels)
    if _NOISY < mixed <= _BLURRED and levels.size > _MANY:
        raise UserError(
            "The file looks like an image, not like a mask: its values change from voxel to voxel.",
            "Choose the file with the labels.",
        )
    return mixed > _BLURRED


def _levels(values: NDArray[Any], high: int) -> NDArray[np.int64]:
    """The distinct values in rising order, 0 among them even when no voxel has it; plane by plane, to be lean."""
    if high <= _TABLE:
        seen = np.zeros(high + 1, dtype=bool)
        seen[0] = True
        for plane in values:
            seen[plane.astype(np.intp)] = True
        return np.flatnonzero(seen).astype(np.int64)
    found = np.zeros(1, dtype=np.int64)
    for plane in values:
        found = np.union1d(found, plane.astype(np.int64))
    return found


def _labelled(values: NDArray[Any], grid: Geometry, levels: NDArray[np.int64]) -> RegionSet:
    names = {k: f"label {level}" for k, level in enumerate(levels.tolist())}
    if levels.size == 2:
        names[1] = "region"
    # Positions in the list of levels are small, whatever the labels are.
    codes = np.empty(values.shape, dtype=np.uint16)
    for k, plane in enumerate(values):
        codes[k] = np.searchsorted(levels, plane)
    return regions_from_labels(codes, grid, names)


def _cut(values: NDArray[Any], grid: Geometry, high: float, warnings: tuple[str, ...]) -> RegionSet:
    if high <= 0:
        raise UserError("The mask is empty: it marks no pixel.", "Choose another file.")
    half = float(high) / 2
    inside = values > half
    if not np.array_equal(inside, values != 0) or not np.all((values == 0) | (values == high)):
        words = f"The mask holds grey levels, no labels: what lies above half its maximum ({half:g}) is inside."
        warnings = (*warnings, words)
    return RegionSet(grid, (Region.from_mask("region", palette(0), inside),), warnings)
