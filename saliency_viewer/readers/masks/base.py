"""What every reader of masks is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from saliency_viewer.domain import RegionSet
from saliency_viewer.spatial import Geometry


class MaskReader(Protocol):
    """One family of formats."""

    name: str

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` looks like one of its files; reads at most a few bytes, and never raises."""

    def read(self, path: Path, image: Geometry) -> RegionSet:
        """The regions on the file's own grid, which ``placing`` brings onto the image's.

        ``image`` is there for formats that have no grid of their own (outlines, planes at uneven distances).
        Raises :class:`UserError` when nothing in the file can be used.
        """
