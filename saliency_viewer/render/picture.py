"""A slice as it stands on a page: turned as a radiologist expects, with the true shape of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Volume, Window
from saliency_viewer.render.pixels import slice_pixels
from saliency_viewer.spatial import Geometry, Plane, edge_letters, plane_of_axis


@dataclass(frozen=True, eq=False)
class SlicePicture:
    """Turns 2D slices of one volume, and points on them, into picture coordinates.

    ``scale`` is picture pixels per slice pixel, (down, right), chosen so that the longer side of the picture
    has ``size`` pixels.
    """

    geometry: Geometry
    plane: Plane
    size: int

    @classmethod
    def of(cls, geometry: Geometry, axis: int, size: int) -> SlicePicture:
        """The picture of the slices along array ``axis``."""
        return cls(geometry, plane_of_axis(geometry, axis), size)

    @property
    def scale(self) -> tuple[float, float]:
        """Picture pixels per slice pixel, (down, right)."""
        spacing, shape = self.geometry.spacing, self.geometry.shape
        down, right = spacing[self.plane.down], spacing[self.plane.right]
        longest = max(shape[self.plane.down] * down, shape[self.plane.right] * right)
        return down * self.size / longest, right * self.size / longest

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        down, right = self.scale
        shape = self.geometry.shape
        height, width = round(shape[self.plane.down] * down), round(shape[self.plane.right] * right)
        return max(height, 1), max(width, 1)

    @property
    def letters(self) -> tuple[str, str, str, str]:
        """Sides of the patient at the (left, right, top, bottom) of the picture; empty when unknown."""
        return edge_letters(self.geometry, self.plane)

    def cut(self, array: NDArray[np.generic], index: int) -> NDArray[np.generic]:
        """The slice ``index`` of a (slice, row, column[, channel]) array, turned; a view."""
        picture = array[tuple(index if axis == self.plane.through else slice(None) for axis in range(3))]
        if self.plane.down > self.plane.right:
            picture = picture.swapaxes(0, 1)
        if self.plane.flip_down:
            picture = picture[::-1]
        return picture[:, ::-1] if self.plane.flip_right else picture

    def image(self, volume: Volume, index: int, window: Window) -> NDArray[np.uint8]:
        """Grey (height, width) or RGB (height, width, 3) pixels of a slice, not yet scaled, without graphics."""
        return slice_pixels(volume, lambda array: self.cut(array, index), window)

    def points(self, turned: NDArray[np.float64]) -> NDArray[np.float64]:
        """(x, y) on the scaled picture of (row, column) voxel-centre coordinates of a turned slice."""
        height, width = self.shape
        rows = self.geometry.shape[self.plane.down]
        columns = self.geometry.shape[self.plane.right]
        return np.column_stack([(turned[:, 1] + 0.5) * width / columns, (turned[:, 0] + 0.5) * height / rows])
