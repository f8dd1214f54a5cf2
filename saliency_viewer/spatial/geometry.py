"""A voxel grid in the patient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Calibration = Literal["patient", "detector", "none"]
_ROUNDING = 0.01  # of a voxel: what files of different formats differ by for one grid


@dataclass(frozen=True, eq=False)
class Geometry:
    """Shape and position of a grid of voxels.

    Parameters
    ----------
    shape:
        (slice, row, column); a radiograph or photograph has one slice.
    affine:
        (4, 4) float64; maps a homogeneous index (slice, row, column, 1) of a voxel *centre* to LPS mm.
    calibration:
        ``patient``: millimetres in the patient; ``detector``: millimetres at the detector, which
        magnification makes larger than the patient; ``none``: one unit is one pixel.
    oriented:
        False when nothing is known about which side is which (a PNG); no letters are drawn then.
    through_space:
        False when slices are pictures in time or of unknown places: the distance along the first axis is no length,
        and there are no volumes.
    frame_of_reference:
        DICOM's UID of the coordinate system, empty when unknown. Grids of two different ones cannot be compared.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    calibration: Calibration = "patient"
    oriented: bool = True
    through_space: bool = True
    frame_of_reference: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("affine must be a finite (4, 4) matrix")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise ValueError("affine must be invertible")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @classmethod
    def from_spacing(
        cls,
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        calibration: Calibration = "none",
        oriented: bool = False,
    ) -> Geometry:
        """An axial grid at the origin: columns to the left, rows to posterior, slices to superior."""
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2] = spacing
        affine[3, 3] = 1.0
        return cls(shape, affine, calibration, oriented)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres along (slice, row, column), mm (pixels without calibration)."""
        z, y, x = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(z), float(y), float(x)

    @property
    def direction(self) -> NDArray[np.float64]:
        """(3, 3); column k is the LPS unit vector along index axis k."""
        return np.asarray(self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel, mm3; for sheared (tilted) grids the true one."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def pixel_area(self) -> float:
        """Area of one in-slice pixel, mm2."""
        return float(np.linalg.norm(np.cross(self.affine[:3, 1], self.affine[:3, 2])))

    @property
    def is_planar(self) -> bool:
        """Whether there is one slice only (a radiograph, a photograph)."""
        return self.shape[0] == 1

    def to_patient(self, index: ArrayLike) -> NDArray[np.float64]:
        """LPS mm of (..., 3) indices (slice, row, column), which may be fractional."""
        points = np.asarray(index, dtype=np.float64)
        return np.asarray(points @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, point: ArrayLike) -> NDArray[np.float64]:
        """Fractional (slice, row, column) of (..., 3) LPS points in mm."""
        inverse = np.linalg.inv(self.affine)
        points = np.asarray(point, dtype=np.float64)
        return np.asarray(points @ inverse[:3, :3].T + inverse[:3, 3])

    def same_as(self, other: Geometry, tolerance: float | None = None) -> bool:
        """Whether both grids have the same shape and no voxel centre differs by more than ``tolerance`` mm.

        Without a tolerance it is a hundredth of the smallest spacing: files keep places with rounding (NIfTI in
        float32, DICOM in 16 characters, MetaImage in 6 digits), which far from the origin is more than a
        micrometre, and no voxel is taken for its neighbour at a hundredth of their distance.
        """
        if self.shape != other.shape:
            return False
        if tolerance is None:
            tolerance = _ROUNDING * min(*self.spacing, *other.spacing)
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1).T
        return bool(np.abs(self.to_patient(corners) - other.to_patient(corners)).max() <= tolerance)
