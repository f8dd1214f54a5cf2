"""Where the frames of a DICOM SEG lie: their planes as slices of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import functional, number, numbers, text
from saliency_viewer.readers.masks.dicom_file import damaged
from saliency_viewer.readers.masks.planes import nearest_planes, usual_gap
from saliency_viewer.spatial import Geometry

_SAME_PLACE = 0.01  # mm
_EVEN = 0.05  # of the distance of planes: how far one may lie beside its slice
_PARALLEL = np.cos(np.deg2rad(0.5))
_MOST_SLICES = 100_000


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """A grid, and for each stored frame the slices of the grid that show it."""

    geometry: Geometry
    slices: tuple[tuple[int, ...], ...]


def frame_grid(dataset: Any, groups: list[Any], shared: Any, image: Geometry) -> FrameGrid:
    """Arrange the frames (PS3.3 C.7.6.16): ``groups`` are their functional groups, ``shared`` those of all.

    Planes at even distances, with some left out, become slices of one grid; others are given to the slices of the
    image, if it is parallel, and else of a grid as fine as their smallest distance, by nearest plane. Frames without
    a place take their slice from the referenced frame. Raises :class:`UserError` when frames form no stack.
    """
    frame = text(dataset, "FrameOfReferenceUID")
    size = (int(number(dataset, "Rows", 0) or 0), int(number(dataset, "Columns", 0) or 0))
    positions = [
        numbers(functional(group, shared, "PlanePositionSequence"), "ImagePositionPatient") for group in groups
    ]
    if not any(positions):
        return _unplaced(groups, shared, size, image)
    orientations = {numbers(_macro(group, shared, "PlaneOrientation"), "ImageOrientationPatient") for group in groups}
    if any(len(position) != 3 for position in positions) or any(len(one) != 6 for one in orientations):
        raise damaged()
    measures = _macro(groups[0], shared, "PixelMeasures")
    spacing = numbers(measures, "PixelSpacing")
    if len(spacing) != 2 or min(spacing) <= 0:
        raise damaged()
    axes = _axes(np.array(sorted(orientations)))
    between, thickness = _length(measures, "SpacingBetweenSlices"), _length(measures, "SliceThickness")
    return _Planes(np.array(positions), axes, spacing, between, thickness, size, frame).arranged(image)


def _macro(group: Any, shared: Any, name: str) -> Any:
    return functional(group, shared, f"{name}Sequence")


def _length(measures: Any, keyword: str) -> float | None:
    value = abs(number(measures, keyword) or 0.0)
    return value if value > _SAME_PLACE else None


def _axes(orientations: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3): unit vectors along columns, along rows, and normal to the planes; refused when frames differ."""
    right, down = orientations[0, :3], orientations[0, 3:]
    if np.abs(orientations).max() > 2:  # their squares could be too large for any number
        raise damaged()
    lengths = float(np.linalg.norm(right)), float(np.linalg.norm(down))
    off = max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(float(right @ down)))
    if off > 0.01:
        raise damaged()
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise UserError(
            "The frames of the segmentation lie in planes of different directions, so they form no stack.",
            "Convert it to a label map on the image's grid.",
        )
    return np.array([right, down, np.cross(right, down)])


@dataclass(frozen=True, eq=False)
class _Planes:
    """Frames in parallel planes: positions (n, 3) of their first pixels in LPS mm."""

    positions: NDArray[np.float64]
    axes: NDArray[np.float64]
    spacing: tuple[float, ...]
    between: float | None
    thickness: float | None
    size: tuple[int, int]
    frame: str

    def arranged(self, image: Geometry) -> FrameGrid:
        along = self.positions @ self.axes[2]
        order = np.argsort(along, kind="stable")
        fresh = np.concatenate([[True], np.diff(along[order]) > _SAME_PLACE])
        plane = np.empty(len(along), dtype=np.intp)
        plane[order] = np.cumsum(fresh) - 1
        first = self.positions[order[fresh]]
        self._require_straight(self.positions - first[plane])
        even = self._even(first, along[order[fresh]], image)
        if even is not None:
            grid, slices = even
            return FrameGrid(grid, tuple((int(slices[k]),) for k in plane))
        grid, taken = self._uneven(first[0], along[order[fresh]], image)
        shown = [tuple(np.flatnonzero(taken == k).tolist()) for k in range(len(first))]
        return FrameGrid(grid, tuple(shown[k] for k in plane))

    def _even(
        self, first: NDArray[np.float64], along: NDArray[np.float64], image: Geometry
    ) -> tuple[Geometry, NDArray[np.intp]] | None:
        """The grid whose slices the planes are, some perhaps left out; tilted stacks are sheared grids."""
        if len(first) == 1:
            depth = self.between or self.thickness or _slice_distance(image)
            return self._grid(first[0], self.axes[2] * depth, 1), np.zeros(1, dtype=np.intp)
        for gap in (*self._likely_gaps(image), float(np.diff(along).min())):
            if (along[-1] - along[0]) / gap > _MOST_SLICES:
                continue
            slices = np.rint((along - along[0]) / gap).astype(np.intp)
            if np.any(np.diff(slices) < 1):
                continue
            step, beside = _line(first, slices)
            off = beside @ self.axes[2]
            aside = np.linalg.norm(beside - np.outer(off, self.axes[2]), axis=1)
            if np.abs(off).max() <= _EVEN * gap and aside.max() <= min(self.spacing) / 2:
                return self._grid(first[0], step, int(slices[-1]) + 1), slices
        self._require_straight(first - first[0] - np.outer(along - along[0], self.axes[2]))
        return None

    def _likely_gaps(self, image: Geometry) -> list[float]:
        """Distances of slices, the surest first: what the file says, and the image's for planes about as thick."""
        found = [] if self.between is None else [self.between]
        distance = _slice_distance(image)
        if self.thickness is None or self.thickness < 1.5 * distance:
            found.append(distance)
        return found

    def _uneven(
        self, start: NDArray[np.float64], along: NDArray[np.float64], image: Geometry
    ) -> tuple[Geometry, NDArray[np.intp]]:
        gap = usual_gap(along)
        places = _image_planes(image, self.axes[2])
        if places is None:
            step = max(float(np.diff(along).min()), (along[-1] - along[0]) / _MOST_SLICES)
            places = np.arange(along[0], along[-1] + step / 2, step)
        taken = nearest_planes(along, places, gap, float(places[1] - places[0]) if len(places) > 1 else gap)
        used = np.flatnonzero(taken >= 0)
        if not used.size:
            used = np.zeros(1, dtype=np.intp)
        low, high = int(used[0]), int(used[-1])
        step = (places[-1] - places[0]) / (len(places) - 1) if len(places) > 1 else gap
        origin = start + self.axes[2] * (places[low] - along[0])
        return self._grid(origin, self.axes[2] * step, high - low + 1), taken[low : high + 1]

    def _require_straight(self, beside: NDArray[np.float64]) -> None:
        """Refuse frames that lie (n, 3) millimetres beside the place that a stack has for them."""
        if np.linalg.norm(beside, axis=1).max() > min(self.spacing) / 2:
            raise UserError(
                "The frames of the segmentation lie beside each other, so they form no stack.",
                "Convert it to a label map on the image's grid.",
            )

    def _grid(self, origin: NDArray[np.float64], step: NDArray[np.float64], count: int) -> Geometry:
        affine = np.eye(4)
        affine[:3, 2] = self.axes[0] * self.spacing[1]
        affine[:3, 1] = self.axes[1] * self.spacing[0]
        affine[:3, 0], affine[:3, 3] = step, origin
        try:
            return Geometry((count, *self.size), affine, frame_of_reference=self.frame)
        except ValueError as error:
            raise damaged(error) from error


def _line(first: NDArray[np.float64], slices: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The step from slice to slice that fits all planes best, and how far each lies beside its slice."""
    steps = slices.astype(np.float64)
    step = steps @ (first - first[0]) / (steps @ steps)
    return step, first - first[0] - np.outer(steps, step)


def _slice_distance(image: Geometry) -> float:
    normal = np.cross(image.direction[:, 1], image.direction[:, 2])
    return float(abs(image.affine[:3, 0] @ normal)) / float(np.linalg.norm(normal))


def _image_planes(image: Geometry, normal: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Rising coordinates of the image's slices along ``normal``; None when they are not parallel to it."""
    across = np.cross(image.direction[:, 1], image.direction[:, 2])
    if abs(across @ normal) < _PARALLEL * np.linalg.norm(across):
        return None
    return np.sort(image.to_patient([[k, 0, 0] for k in range(image.shape[0])]) @ normal)


def _unplaced(groups: list[Any], shared: Any, size: tuple[int, int], image: Geometry) -> FrameGrid:
    """Frames of radiographs and films: the referenced frame says which picture is meant (PS3.3 C.7.6.16.2.6)."""
    slices = []
    count = image.shape[0]
    for group in groups:
        derived = _macro(group, shared, "DerivationImage")
        source = functional(derived, None, "SourceImageSequence")
        picture = number(source, "ReferencedFrameNumber")
        if picture is None and count > 1:
            raise UserError(
                "The segmentation does not say which of the image's slices it marks.",
                "Choose a segmentation that says where its frames lie, or convert it to a label map.",
            )
        slices.append((max(1, int(picture or 1)) - 1,))
    if max(max(one) for one in slices) >= count:
        raise UserError(
            "The segmentation refers to pictures that the image does not have.", "Choose the file of this image."
        )
    return FrameGrid(Geometry.from_spacing((count, *size)), tuple(slices))
