"""Where a voxel of a slice stands in its picture, and back: the turning and mirroring of a plane."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtGui import QTransform

from saliency_viewer.spatial import Geometry, Plane, edge_letters, plane_of_axis

_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True)
class SliceFrame:
    """The picture of the slices perpendicular to one array axis.

    Picture coordinates (x, y) count pixels from the top left corner of the picture, so the centre of
    the first pixel is (0.5, 0.5). ``shape`` and ``spacing`` are the grid's, (slice, row, column).
    ``letters`` are the sides at the picture's (left, right, top, bottom), empty when unknown.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    plane: Plane
    letters: tuple[str, str, str, str]

    @classmethod
    def of(cls, geometry: Geometry, axis: int, radiological: bool = True) -> SliceFrame:
        """The frame of the slices along array ``axis``; without ``radiological`` left and right change places.

        The switch touches only pictures whose sides are the patient's left and right: a sagittal slice
        and an image of unknown orientation look the same in both conventions.
        """
        plane = plane_of_axis(geometry, axis)
        letters = edge_letters(geometry, plane)
        if not radiological and letters[0] in ("L", "R"):
            plane = replace(plane, flip_right=not plane.flip_right)
            letters = edge_letters(geometry, plane)
        return cls(geometry.shape, geometry.spacing, plane, letters)

    @property
    def axes(self) -> tuple[int, int]:
        """The two array axes of the slice in rising order, the order of stroke points."""
        first, second = sorted((self.plane.down, self.plane.right))
        return first, second

    @property
    def slices(self) -> int:
        """Number of slices along the axis."""
        return self.shape[self.plane.through]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.shape[self.plane.right]

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.shape[self.plane.down]

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Width and height of a picture pixel, mm (pixels without calibration)."""
        return self.spacing[self.plane.right], self.spacing[self.plane.down]

    def cut(self, array: NDArray[_Number], index: int) -> NDArray[_Number]:
        """The slice as it stands on the screen, (height, width[, channels]); a view without copying."""
        picture = array[self._selector(index)]
        if self.plane.down > self.plane.right:
            picture = picture.swapaxes(0, 1)
        if self.plane.flip_down:
            picture = picture[::-1]
        return picture[:, ::-1] if self.plane.flip_right else picture

    def _selector(self, index: int) -> tuple[slice | int, ...]:
        return tuple(index if axis == self.plane.through else slice(None) for axis in range(3))

    def to_picture(self, points: ArrayLike) -> NDArray[np.float64]:
        """Picture (x, y) of (..., 2) voxel-centre coordinates of :attr:`axes`."""
        given = np.asarray(points, dtype=np.float64)
        right = given[..., self.axes.index(self.plane.right)] + 0.5
        down = given[..., self.axes.index(self.plane.down)] + 0.5
        x = self.width - right if self.plane.flip_right else right
        y = self.height - down if self.plane.flip_down else down
        return np.stack([x, y], axis=-1)

    def to_index(self, picture: ArrayLike) -> NDArray[np.float64]:
        """Fractional voxel-centre coordinates of :attr:`axes` of (..., 2) picture points (x, y)."""
        given = np.asarray(picture, dtype=np.float64)
        x, y = given[..., 0], given[..., 1]
        right = (self.width - x if self.plane.flip_right else x) - 0.5
        down = (self.height - y if self.plane.flip_down else y) - 0.5
        found = {self.plane.right: right, self.plane.down: down}
        return np.stack([found[axis] for axis in self.axes], axis=-1)

    def voxel(self, picture: ArrayLike, index: int) -> tuple[int, int, int] | None:
        """The voxel (slice, row, column) under a picture point on slice ``index``; None outside the image."""
        nearest = np.floor(self.to_index(picture) + 0.5).astype(int)
        full = [index, index, index]
        for axis, value in zip(self.axes, nearest, strict=True):
            if not 0 <= value < self.shape[axis]:
                return None
            full[axis] = int(value)
        return full[0], full[1], full[2]

    def path_transform(self) -> QTransform:
        """Turns paths drawn in index coordinates (x: second of :attr:`axes`, y: first) into picture coordinates."""
        origin = self.to_picture((0.0, 0.0))
        along_second = self.to_picture((0.0, 1.0)) - origin
        along_first = self.to_picture((1.0, 0.0)) - origin
        return QTransform(*along_second, *along_first, *origin)
