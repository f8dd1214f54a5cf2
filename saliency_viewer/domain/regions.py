"""Regions on an image's grid. They may overlap, so each keeps its own mask, cut to its bounding box."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry

# Okabe and Ito's palette: told apart by colour-blind readers.
REGION_COLOURS = ("#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#F0E442", "#D55E00", "#0072B2")
_COMMON_LABELS = 2**16


@dataclass(frozen=True, eq=False)
class Region:
    """A named set of voxels.

    ``patch`` is a boolean (slice, row, column) array whose first voxel is at index ``origin`` of the
    image grid; an empty region has a patch of shape (0, 0, 0).
    """

    name: str
    colour: str
    origin: tuple[int, int, int]
    patch: NDArray[np.bool_]
    locked: bool = False
    visible: bool = True

    @classmethod
    def from_mask(cls, name: str, colour: str, mask: NDArray[np.generic]) -> Region:
        """A region from a full-grid mask; any nonzero value belongs to it."""
        filled = np.asarray(mask) != 0
        box = []
        for axis in range(3):
            hit = np.flatnonzero(filled.any(axis=tuple(k for k in range(3) if k != axis)))
            if not hit.size:
                return cls(name, colour, (0, 0, 0), np.zeros((0, 0, 0), dtype=bool))
            box.append(slice(int(hit[0]), int(hit[-1]) + 1))
        patch = np.ascontiguousarray(filled[tuple(box)])
        patch.setflags(write=False)
        return cls(name, colour, (box[0].start, box[1].start, box[2].start), patch)

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(np.count_nonzero(self.patch))

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where the patch lies on the grid."""
        z, y, x = (slice(o, o + n) for o, n in zip(self.origin, self.patch.shape, strict=True))
        return z, y, x

    def mask(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """The full-grid mask."""
        full = np.zeros(shape, dtype=bool)
        full[self.box] = self.patch
        return full

    def slice_mask(self, shape: tuple[int, int, int], axis: int, index: int) -> NDArray[np.bool_]:
        """The 2D mask at ``index`` along ``axis``, remaining axes in order, without building the volume."""
        rest = [k for k in range(3) if k != axis]
        full = np.zeros((shape[rest[0]], shape[rest[1]]), dtype=bool)
        local = index - self.origin[axis]
        if 0 <= local < self.patch.shape[axis]:
            full[self.box[rest[0]], self.box[rest[1]]] = np.take(self.patch, local, axis=axis)
        return full


@dataclass(frozen=True, eq=False)
class RegionSet:
    """Ordered regions on one grid; names are unique. ``warnings`` say what was made of the file they come from."""

    geometry: Geometry
    regions: tuple[Region, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.regions):
            raise ValueError("region names must be unique")

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(region.name for region in self.regions)

    def __len__(self) -> int:
        return len(self.regions)

    def get(self, name: str) -> Region:
        """The region of that name; raises :class:`UserError` when there is none."""
        for region in self.regions:
            if region.name == name:
                return region
        raise UserError(
            f"There is no region named '{name}'.", f"Choose one of: {', '.join(self.names) or 'none drawn yet'}."
        )

    def mask(self, name: str | None = None) -> NDArray[np.uint8] | NDArray[np.int32]:
        """One region's 0/1 mask, or without a name labels 1..n in order; (slice, row, column).

        Raises :class:`UserError` when labels are wanted and regions overlap.
        """
        if name is not None:
            return self.get(name).mask(self.geometry.shape).astype(np.uint8)
        labels = np.zeros(self.geometry.shape, dtype=np.int32)
        for label, region in enumerate(self.regions, start=1):
            view = labels[region.box]
            if np.any(view[region.patch]):
                raise UserError(
                    f"Region '{region.name}' overlaps another one, so one label map cannot hold both.",
                    "Ask for each region's own mask instead.",
                )
            view[region.patch] = label
        return labels

    def with_region(self, region: Region) -> RegionSet:
        """A copy in which ``region`` replaces the one of its name, or stands at the end."""
        if region.name in self.names:
            return replace(self, regions=tuple(region if r.name == region.name else r for r in self.regions))
        return replace(self, regions=(*self.regions, region))

    def without(self, name: str) -> RegionSet:
        """A copy without that region."""
        self.get(name)
        return replace(self, regions=tuple(r for r in self.regions if r.name != name))

    def free_name(self, wish: str) -> str:
        """``wish``, or ``wish 2``, ``wish 3``, ... when taken."""
        name, count = wish, 2
        while name in self.names:
            name, count = f"{wish} {count}", count + 1
        return name

    def next_colour(self) -> str:
        """The palette's first colour that no region has; when all are taken they start again."""
        used = {region.colour.upper() for region in self.regions}
        free = (colour for colour in REGION_COLOURS if colour not in used)
        return next(free, REGION_COLOURS[len(self.regions) % len(REGION_COLOURS)])


def regions_from_labels(
    labels: NDArray[np.integer], geometry: Geometry, names: Mapping[int, str] | None = None
) -> RegionSet:
    """One region for each nonzero label, in rising order; ``names`` maps labels to names."""
    found: list[Region] = []
    taken = UniqueNames()
    for value, box in _label_boxes(labels):
        name = taken.free((names or {}).get(value, f"label {value}"))
        part = Region.from_mask(name, REGION_COLOURS[len(found) % len(REGION_COLOURS)], labels[box] == value)
        origin = (part.origin[0] + box[0].start, part.origin[1] + box[1].start, part.origin[2] + box[2].start)
        found.append(replace(part, origin=origin))
    return RegionSet(geometry, tuple(found))


class UniqueNames:
    """Gives every name once: ``lesion``, then ``lesion 2``, ``lesion 3``, ..."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def free(self, wish: str) -> str:
        """``wish``, or with the next number when it was given before."""
        name, count = wish, self._next.get(wish, 2)
        while name in self._taken:
            name, count = f"{wish} {count}", count + 1
        self._next[wish] = count
        self._taken.add(name)
        return name


def _label_boxes(labels: NDArray[np.integer]) -> Iterator[tuple[int, tuple[slice, slice, slice]]]:
    """Every nonzero label with a box that holds all of it, in rising order."""
    from scipy import ndimage

    if labels.size and labels.min() >= 0 and labels.max() <= _COMMON_LABELS:
        # One pass over the volume, where sorting its values would take ten times as long.
        for value, box in enumerate(ndimage.find_objects(labels), start=1):
            if box is not None:
                yield value, box
        return
    z, y, x = (slice(0, size) for size in labels.shape)
    for value in np.unique(labels):
        if value != 0:
            yield int(value), (z, y, x)
