"""What NRRD and MetaImage headers have in common: lines of text, and a grid of up to three axes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry

MOST_HEADER = 2**20  # bytes
_SMALLEST, _LARGEST = 1e-6, 1e4  # mm between voxels
_FARTHEST = 1e6  # mm from the origin


@dataclass(frozen=True)
class Grid3:
    """Axes as the file counts them, fastest first, in LPS mm; None where the file says nothing.

    ``spacing`` has one entry for each axis; ``directions`` is (axes, 3) with unit vectors as rows; ``origin`` (3,) is
    the centre of the first voxel.
    """

    spacing: NDArray[np.float64] | None
    directions: NDArray[np.float64] | None
    origin: NDArray[np.float64] | None
    oriented: bool

    def geometry(self, shape: tuple[int, int, int]) -> tuple[Geometry, tuple[str, ...]]:
        """The grid of (slice, row, column), and what is missing or unusable in the file."""
        spacing, words = self._spacing()
        directions = self._directions()
        oriented = self.oriented and directions is not None
        if self.oriented and directions is None:
            words += ("The file's orientation is not usable; sides are unknown.",)
        elif not oriented:
            words += ("The file does not say which side is which.",)
        affine = np.eye(4)
        affine[:3, :3] = ((np.eye(3) if directions is None else directions) * np.append(spacing, 1.0)[:3, None]).T
        # Without directions of its own the grid still keeps its place: a mask beside it has the same.
        if self.origin is not None and np.isfinite(self.origin).all() and np.abs(self.origin).max() < _FARTHEST:
            affine[:3, 3] = self.origin
        affine[:3, :3] = affine[:3, 2::-1]
        calibrated = self.spacing is not None and _plausible(self.spacing)
        return Geometry(shape, affine, "patient" if calibrated else "none", oriented=oriented), words

    def _spacing(self) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        if self.spacing is not None and _plausible(self.spacing):
            return self.spacing, ()
        return np.ones(3), ("The file gives no usable pixel size; there are no millimetres.",)

    def _directions(self) -> NDArray[np.float64] | None:
        """(3, 3) unit rows, the third one made up for a single slice; None when they span no room."""
        rows = self.directions
        if rows is None or not np.isfinite(rows).all() or np.abs(rows).max() > _FARTHEST:
            return None
        if len(rows) == 2:
            rows = np.vstack([rows, np.cross(rows[0], rows[1])])
        lengths = np.linalg.norm(rows, axis=1)
        if rows.shape != (3, 3) or lengths.min() < 1e-6 or lengths.max() > 1e6:
            return None
        rows = rows / lengths[:, None]
        return rows if abs(np.linalg.det(rows)) > 1e-3 else None


def numbers(text: str) -> NDArray[np.float64]:
    """Numbers between blanks or commas. Raises ValueError when one is none."""
    return np.array([float(word) for word in text.replace(",", " ").split()], dtype=np.float64)


def counts(text: str) -> list[int]:
    """Whole numbers between blanks. Raises ValueError when one is none."""
    return [int(word) for word in text.split()]


def beginning(path: Path) -> bytes:
    """The part of a file that may hold a header."""
    with path.open("rb") as stream:
        return stream.read(MOST_HEADER)


def no_volume() -> UserError:
    """For a file that holds something else than grey voxels in two or three dimensions."""
    return UserError("The file holds no single 2D or 3D grey image.", "Choose a file with one volume.")


def unusual(what: str) -> UserError:
    """For a variant of a format that hardly anybody writes."""
    return UserError(f"The file {what}, which this program does not read.", "Save it as one .nrrd or .nii.gz file.")


def _plausible(spacing: Any) -> bool:
    return bool(np.isfinite(spacing).all() and np.min(spacing) >= _SMALLEST and np.max(spacing) <= _LARGEST)
