"""Regions from the grid of their file onto the grid of the image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.readers.masks.naming import listed
from saliency_viewer.spatial import Geometry, require_same_grid, resample_labels

_SAME_LATTICE = 0.01  # of a voxel, as in Geometry.same_as


@dataclass(frozen=True, eq=False)
class _Moved:
    """A region on the image's grid, and the share of its voxels whose centre lies outside the image."""

    region: Region
    outside: float


def place(found: RegionSet, image: Geometry) -> RegionSet:
    """``found`` on the image's grid; what was done about it goes to the warnings.

    Voxels that coincide, in any order of axes and cropped or padded, are taken over exactly; any other grid in
    the patient is resampled to the nearest voxel. Raises :class:`UserError` when the frames of reference differ,
    when nothing lies in the image, and, if one of the two grids has no place in the patient, for another shape.
    """
    source = found.geometry
    require_same_frame(source, image)
    if source.same_as(image):
        return replace(found, geometry=image)
    comparable = has_place(source) and has_place(image)
    steps = _whole_steps(source, image)
    if steps is not None and (comparable or _same_voxels(steps, source, image)):
        # Snapped onto the image's voxels, so that rounding in the header moves nothing.
        snapped = replace(source, affine=image.affine @ np.linalg.inv(steps))
        return _moved(replace(found, geometry=snapped), image, ())
    if not comparable:
        return _as_it_lies(found, image)
    size = " x ".join(f"{length:.3g}" for length in (source.spacing[1], source.spacing[2], source.spacing[0]))
    words = f"The mask was resampled from voxels of {size} mm onto the image's grid: "
    return _moved(found, image, (f"{words}borders may have shifted by up to half a voxel.",))


def has_place(grid: Geometry) -> bool:
    """Whether it is known where in the patient the grid lies; of pictures and most radiographs it is not."""
    return grid.oriented and grid.calibration == "patient"


def require_same_frame(mask: Geometry, image: Geometry) -> None:
    """Raise :class:`UserError` when both name their frame of reference and these differ (PS3.3 C.7.4.1)."""
    first, second = mask.frame_of_reference, image.frame_of_reference
    if first and second and first != second:
        raise UserError(
            "The mask was drawn in another coordinate system than the image's: their frames of reference differ, "
            "so the same millimetres mean other places.",
            "Choose the mask that was made on this image, or register the two images and save the mask anew.",
        )


def _whole_steps(source: Geometry, image: Geometry) -> NDArray[np.float64] | None:
    """(4, 4) of whole numbers from image to source index, when the voxels of both coincide; else None."""
    steps = np.linalg.inv(source.affine) @ image.affine
    whole = np.rint(steps)
    turn = np.abs(whole[:3, :3])
    if not (np.array_equal(turn.sum(0), [1, 1, 1]) and np.array_equal(turn.sum(1), [1, 1, 1])):
        return None
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape])).reshape(3, -1)
    off = (steps - whole)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
    return whole if np.abs(off).max() <= _SAME_LATTICE else None


def _same_voxels(steps: NDArray[np.float64], source: Geometry, image: Geometry) -> bool:
    ends = steps @ np.array([[0, n - 1] for n in image.shape] + [[1, 1]])
    return bool(np.array_equal(np.sort(ends[:3], axis=1), [[0, n - 1] for n in source.shape]))


def _as_it_lies(found: RegionSet, image: Geometry) -> RegionSet:
    """Row for row and column for column, which only the very same shape allows."""
    require_same_grid(image, replace(image, shape=found.geometry.shape), "The mask")
    words: tuple[str, ...] = ()
    if has_place(found.geometry) != has_place(image):
        which = "image" if has_place(found.geometry) else "mask"
        words = (f"The {which} does not say where it lies, so only the shapes were compared, not the places.",)
    return replace(found, geometry=image, warnings=(*found.warnings, *words))


def _moved(found: RegionSet, image: Geometry, words: tuple[str, ...]) -> RegionSet:
    moved = [_onto(region, found.geometry, image) for region in found.regions]
    if any(region.voxels for region in found.regions) and not any(one.region.voxels for one in moved):
        if all(one.outside == 1.0 for one in moved):
            raise UserError(
                "No part of the mask lies in the image.", "Choose the mask that was made on this image or body part."
            )
        raise UserError(
            "The mask is too small for the image's voxels: it holds no voxel's centre.", "Choose a finer image."
        )
    cut = [f"{one.region.name} {_percent(one.outside)}" for one in moved if one.outside > 0]
    if cut:
        words += (f"Parts outside the image are left out: {listed(cut)}.",)
    # A region that was empty in the file stays; one that vanished here is named and dropped.
    vanished = [
        before.name
        for before, one in zip(found.regions, moved, strict=True)
        if before.voxels and not one.region.voxels and one.outside < 1.0
    ]
    if vanished:
        words += (f"Too small for the image's voxels, so left out: {listed(vanished)}.",)
    kept = tuple(
        one.region for before, one in zip(found.regions, moved, strict=True) if one.region.voxels or not before.voxels
    )
    return RegionSet(image, kept, (*found.warnings, *words))


def _percent(part: float) -> str:
    return "less than 1 %" if part < 0.01 else f"{min(100 * part, 100 if part == 1 else 99):.0f} %"


def _onto(region: Region, source: Geometry, image: Geometry) -> _Moved:
    """One region by nearest voxel; only the part of the image that it reaches is looked at."""
    if not region.voxels:
        return _Moved(region, 0.0)
    own = replace(source, shape=region.patch.shape, affine=_shifted(source, region.origin))
    low, high = _reach(own, image)
    start = np.clip(np.floor(low), 0, image.shape).astype(int)
    stop = np.clip(np.ceil(high) + 1, start, image.shape).astype(int)
    z, y, x = (int(first) for first in start)
    depth, height, width = (int(size) for size in stop - start)
    within = np.all(low >= -0.5 - 1e-6) and np.all(high <= np.array(image.shape) - 0.5 + 1e-6)
    outside = 0.0 if within else _outside(region.patch, own, image)
    if not depth * height * width or outside == 1.0:
        return _Moved(replace(region, origin=(0, 0, 0), patch=np.zeros((0, 0, 0), dtype=bool)), outside)
    part = Geometry((depth, height, width), _shifted(image, (z, y, x)))
    cut = Region.from_mask(region.name, region.colour, resample_labels(region.patch, own, part))
    origin = (cut.origin[0] + z, cut.origin[1] + y, cut.origin[2] + x)
    return _Moved(replace(region, origin=origin if cut.voxels else (0, 0, 0), patch=cut.patch), outside)


def _shifted(grid: Geometry, origin: tuple[int, int, int]) -> NDArray[np.float64]:
    """The grid's affine with ``origin`` as its first voxel."""
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_patient(origin)
    return affine


def _reach(own: Geometry, image: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest image index that the voxels of ``own`` cover, to their borders."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in own.shape])).reshape(3, -1).T
    places = image.to_index(own.to_patient(corners))
    return places.min(axis=0), places.max(axis=0)


def _outside(patch: NDArray[np.bool_], own: Geometry, image: Geometry) -> float:
    """Share of the patch's voxels whose centre lies in no voxel of the image."""
    total = lost = 0
    for k, plane in enumerate(patch):
        rows, columns = np.nonzero(plane)
        index = np.column_stack([np.full(len(rows), k), rows, columns])
        place = image.to_index(own.to_patient(index))
        beyond = (place < -0.5 - 1e-6) | (place > np.array(image.shape) - 0.5 + 1e-6)
        total += len(rows)
        lost += int(beyond.any(axis=1).sum())
    return lost / total
