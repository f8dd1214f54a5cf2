"""What can be undone: each edit knows how to go forward and back, and how many bytes it keeps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet
from saliency_viewer.regions.patch import toggled


class Edit(Protocol):
    """One step of the history."""

    @property
    def text(self) -> str:
        """What was done, for the menu: "Undo ..."."""

    @property
    def nbytes(self) -> int:
        """Memory it keeps."""

    @property
    def where(self) -> tuple[int, int] | None:
        """(axis, index) of the slice it touched; None when it touched more than one or none."""

    def forward(self, regions: RegionSet) -> RegionSet:
        """The regions after the edit."""

    def back(self, regions: RegionSet) -> RegionSet:
        """The regions before the edit."""


@dataclass(frozen=True, eq=False)
class StrokeEdit:
    """Voxels of one slice that changed. Each of them changed from 0 to 1 or back, so the same bits serve both ways.

    ``bits`` are the changed voxels of the bounding box of ``shape`` at ``corner`` in the slice, eight to a byte.
    """

    name: str
    text: str
    axis: int
    index: int
    corner: tuple[int, int]
    shape: tuple[int, int]
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, name: str, text: str, axis: int, index: int, changed: NDArray[np.bool_]) -> StrokeEdit:
        """The edit that changes the set voxels of the 2D mask ``changed``; at least one must be set."""
        first, second = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        box = changed[first[0] : first[-1] + 1, second[0] : second[-1] + 1]
        corner = (int(first[0]), int(second[0]))
        return cls(name, text, axis, index, corner, (box.shape[0], box.shape[1]), np.packbits(box))

    @property
    def nbytes(self) -> int:
        """Memory it keeps."""
        return self.bits.nbytes

    @property
    def where(self) -> tuple[int, int]:
        """(axis, index) of the slice."""
        return self.axis, self.index

    def forward(self, regions: RegionSet) -> RegionSet:
        """Change the voxels."""
        count = self.shape[0] * self.shape[1]
        changed = np.unpackbits(self.bits, count=count).reshape(self.shape).astype(bool)
        return regions.with_region(toggled(regions.get(self.name), self.axis, self.index, self.corner, changed))

    def back(self, regions: RegionSet) -> RegionSet:
        """Change them once more."""
        return self.forward(regions)


@dataclass(frozen=True)
class FieldEdit:
    """A new name, colour or lock; never holds a mask, so that old masks can be freed."""

    text: str
    before: tuple[str, tuple[tuple[str, Any], ...]]
    after: tuple[str, tuple[tuple[str, Any], ...]]

    nbytes = 200
    where = None

    @classmethod
    def of(cls, text: str, region: Region, **changes: Any) -> FieldEdit:
        """The edit that sets ``changes`` on ``region``."""
        old = tuple((key, getattr(region, key)) for key in changes)
        return cls(text, (region.name, old), (changes.get("name", region.name), tuple(changes.items())))

    def forward(self, regions: RegionSet) -> RegionSet:
        """Set the new values."""
        return _with_fields(regions, self.before[0], dict(self.after[1]))

    def back(self, regions: RegionSet) -> RegionSet:
        """Set the old values."""
        return _with_fields(regions, self.after[0], dict(self.before[1]))


def _with_fields(regions: RegionSet, name: str, changes: dict[str, Any]) -> RegionSet:
    regions.get(name)
    changed = tuple(replace(r, **changes) if r.name == name else r for r in regions.regions)
    return replace(regions, regions=changed)


@dataclass(frozen=True, eq=False)
class PackedRegion:
    """A region whose mask is kept eight voxels to a byte."""

    region: Region  # with an empty patch
    shape: tuple[int, ...]
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, region: Region) -> PackedRegion:
        """Pack a region."""
        empty = replace(region, patch=np.zeros((0, 0, 0), dtype=bool))
        return cls(empty, region.patch.shape, np.packbits(region.patch))

    def unpack(self) -> Region:
        """The region again."""
        count = int(np.prod(self.shape))
        patch = np.unpackbits(self.bits, count=count).reshape(self.shape).astype(bool)
        patch.setflags(write=False)
        return replace(self.region, patch=patch)


@dataclass(frozen=True, eq=False)
class SpliceEdit:
    """Regions at ``position`` replaced by others: adding, removing, replacing all.

    ``warnings`` are the set's before and after, where those change with the regions.
    """

    text: str
    position: int
    removed: tuple[PackedRegion, ...]
    added: tuple[PackedRegion, ...]
    warnings: tuple[tuple[str, ...], tuple[str, ...]] | None = None

    where = None

    @property
    def nbytes(self) -> int:
        """Memory it keeps."""
        return sum(packed.bits.nbytes for packed in (*self.removed, *self.added)) + 200

    def forward(self, regions: RegionSet) -> RegionSet:
        """Put the new ones in."""
        return self._splice(regions, len(self.removed), self.added, 1)

    def back(self, regions: RegionSet) -> RegionSet:
        """Put the old ones back."""
        return self._splice(regions, len(self.added), self.removed, 0)

    def _splice(self, regions: RegionSet, out: int, packed: tuple[PackedRegion, ...], side: int) -> RegionSet:
        kept = regions.regions
        new = tuple(one.unpack() for one in packed)
        warnings = self.warnings[side] if self.warnings is not None else regions.warnings
        return replace(regions, regions=kept[: self.position] + new + kept[self.position + out :], warnings=warnings)
