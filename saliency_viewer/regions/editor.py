"""Every change of regions goes through here, so that every change can be undone."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Region, RegionSet
from saliency_viewer.errors import UserError
from saliency_viewer.regions.edits import Edit, FieldEdit, PackedRegion, SpliceEdit, StrokeEdit
from saliency_viewer.regions.history import HISTORY_BYTES, History

_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


class RegionEditor:
    """Edits a :class:`RegionSet` and remembers how to take each edit back.

    :attr:`regions` is a new frozen set after every edit; older sets stay valid, so a computation may keep one.
    """

    def __init__(self, region_set: RegionSet, history_bytes: int = HISTORY_BYTES) -> None:
        self._regions = region_set
        self._history = History(history_bytes)

    @property
    def regions(self) -> RegionSet:
        """The regions as they are now."""
        return self._regions

    @property
    def history_bytes(self) -> int:
        """Memory that the history keeps."""
        return self._history.nbytes

    @property
    def can_undo(self) -> bool:
        """Whether there is something to undo."""
        return self._history.last_done is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is something to redo."""
        return self._history.last_undone is not None

    @property
    def undo_text(self) -> str:
        """What undo would take back, e.g. "brush on Lesion"; empty when nothing."""
        return self._history.last_done.text if self._history.last_done else ""

    @property
    def redo_text(self) -> str:
        """What redo would do again; empty when nothing."""
        return self._history.last_undone.text if self._history.last_undone else ""

    def add(self, name: str | None = None, colour: str | None = None) -> str:
        """Add an empty region and return its name, which gets a number when the wished one is taken.

        Raises :class:`UserError` for a colour that is not written as #RRGGBB.
        """
        wish = (name or "").strip() or "Region"
        region_name = self._regions.free_name(wish)
        empty = np.zeros((0, 0, 0), dtype=bool)
        region = Region(region_name, _checked_colour(colour or self._regions.next_colour()), (0, 0, 0), empty)
        self._do(SpliceEdit(f"add {region_name}", len(self._regions), (), (PackedRegion.of(region),)))
        return region_name

    def remove(self, name: str) -> None:
        """Remove a region. Raises :class:`UserError` when it is locked or absent."""
        region = self._unlocked(name)
        position = self._regions.names.index(name)
        self._do(SpliceEdit(f"remove {name}", position, (PackedRegion.of(region),), ()))

    def rename(self, name: str, new_name: str) -> None:
        """Give a region another name. Raises :class:`UserError` when that is empty or taken, or the region locked."""
        region, wish = self._unlocked(name), new_name.strip()
        if not wish:
            raise UserError("A region needs a name.", "Type at least one letter.")
        if wish == name:
            return
        if wish in self._regions.names:
            raise UserError(f"There is already a region named '{wish}'.", "Choose another name.")
        self._do(FieldEdit.of(f"rename {name}", region, name=wish))

    def recolour(self, name: str, colour: str) -> None:
        """Give a region another colour, written as #RRGGBB; raises :class:`UserError` otherwise."""
        region = self._unlocked(name)
        if _checked_colour(colour) != region.colour:
            self._do(FieldEdit.of(f"colour of {name}", region, colour=colour))

    def set_locked(self, name: str, locked: bool) -> None:
        """Protect a region from edits, or allow them again."""
        region = self._regions.get(name)
        if region.locked != locked:
            self._do(FieldEdit.of(f"{'lock' if locked else 'unlock'} {name}", region, locked=locked))

    def set_visible(self, name: str, visible: bool) -> None:
        """Show or hide a region; a matter of view, so no step of the history."""
        self._regions = self._regions.with_region(replace(self._regions.get(name), visible=visible))

    def paint(self, name: str, axis: int, index: int, mask2d: NDArray[np.generic], value: bool, text: str = "") -> bool:
        """Set (``value`` True) or clear the voxels of ``mask2d`` in one slice; one step of the history.

        Parameters
        ----------
        name:
            The region; :class:`UserError` when it is locked or absent.
        axis, index:
            The slice: array axis 0, 1 or 2 and the voxel index along it.
        mask2d:
            2D over the two remaining axes in rising order, of the grid's size; nonzero voxels are meant.
        text:
            What it was, for the undo menu; empty: "draw" or "erase".

        Returns
        -------
        Whether any voxel changed; when none did the history is left alone.
        """
        region = self._unlocked(name)
        shape = self._regions.geometry.shape
        wanted = np.asarray(mask2d) != 0
        expected = tuple(n for k, n in enumerate(shape) if k != axis)
        if axis not in (0, 1, 2) or not 0 <= index < shape[axis] or wanted.shape != expected:
            raise ValueError(f"no slice {index} of axis {axis} with shape {wanted.shape} in a grid of {shape}")
        current = region.slice_mask(shape, axis, index)
        changed = wanted & ~current if value else wanted & current
        if not changed.any():
            return False
        verb = text or ("draw" if value else "erase")
        self._do(StrokeEdit.of(name, f"{verb} on {name}", axis, index, changed))
        return True

    def replace_all(self, region_set: RegionSet, text: str = "replace regions") -> None:
        """Take over all regions of another set on the same grid (an import, automatic regions) as one step.

        What the set says of its files comes with them, and goes with them when the step is undone.
        """
        if region_set.geometry.shape != self._regions.geometry.shape:
            raise UserError(
                "The regions belong to an image of another size.", "Choose the regions that belong to this image."
            )
        removed = tuple(PackedRegion.of(region) for region in self._regions.regions)
        added = tuple(PackedRegion.of(region) for region in region_set.regions)
        self._do(SpliceEdit(text, 0, removed, added, (self._regions.warnings, region_set.warnings)))

    def undo(self) -> Edit | None:
        """Take the last edit back and return it (its ``where`` is the slice to show); None when there is none."""
        edit = self._history.take_done()
        if edit is not None:
            self._regions = edit.back(self._regions)
        return edit

    def redo(self) -> Edit | None:
        """Do the last undone edit again and return it; None when there is none."""
        edit = self._history.take_undone()
        if edit is not None:
            self._regions = edit.forward(self._regions)
        return edit

    def _do(self, edit: Edit) -> None:
        self._regions = edit.forward(self._regions)
        self._history.push(edit)

    def _unlocked(self, name: str) -> Region:
        region = self._regions.get(name)
        if region.locked:
            raise UserError(f"Region '{name}' is locked.", "Unlock it in the list of regions first.")
        return region


def _checked_colour(colour: str) -> str:
    if not _COLOUR.fullmatch(colour):
        raise UserError(f"'{colour}' is no colour.", "Write it as # and six hexadecimal digits, e.g. #56B4E9.")
    return colour
