"""Where a NIfTI volume lies: sform before qform before pixel sizes, in millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.nifti_header import NiftiHeader
from saliency_viewer.spatial import Geometry

# The file's (x, y, z) with RAS millimetres against our (slice, row, column) with LPS millimetres.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSE = np.eye(4)[[2, 1, 0, 3]]
_UNITS = {1: (1000.0, "metres"), 3: (0.001, "micrometres")}  # 2 is mm; 0 says nothing and means mm
_SMALLEST, _LARGEST = 1e-4, 1e3  # mm; a voxel outside these is a slip of the header
_HALF_TURN = 1e-7  # as in nifti1_io.c: so little is rounding of a half turn in float32, and its root would be a tilt
_FARTHEST = 1e6  # mm from the origin

Affine = NDArray[np.float64]


def place_of(header: NiftiHeader, shape: tuple[int, int, int]) -> tuple[Geometry, tuple[str, ...]]:
    """Geometry in LPS of (slice, row, column), and what is unusual about it.

    A file that codes neither form knows millimetres (pixdim) but no sides; one whose pixdim is no size knows
    neither.
    """
    factor, unit = _UNITS.get(header.units, (1.0, ""))
    warnings: tuple[str, ...] = (f"The file gives its sizes in {unit}; they are shown in mm.",) if unit else ()
    forms = {name: (found, _usable(found)) for name, found in _forms(header, factor).items()}
    usable = [found for found, good in forms.values() if good]
    if not usable:
        affine, calibrated, words = _base(header, shape, factor, bool(forms))
        return _geometry(affine, shape, calibrated, False), (*warnings, *words)
    if len(usable) < len(forms) and not forms["sform"][1]:
        warnings += ("The file's sform is not usable; its qform is used.",)
    if len(usable) == 2:
        warnings += _difference(usable[0], usable[1], shape)
    return _geometry(usable[0], shape, True, True), warnings


def _forms(header: NiftiHeader, factor: float) -> dict[str, Affine]:
    """The coded forms in their order of precedence, mm."""
    forms: dict[str, Affine] = {}
    if header.sform_code > 0:
        forms["sform"] = np.vstack([header.srow, [0.0, 0.0, 0.0, 1.0]])
    if header.qform_code > 0:
        forms["qform"] = _quaternion_affine(header)
    scale = np.diag([factor, factor, factor, 1.0])
    with np.errstate(all="ignore"):
        return {name: scale @ affine for name, affine in forms.items()}


def _quaternion_affine(header: NiftiHeader) -> Affine:
    """The qform (nifti1.h, METHOD 2); all NaN when its quaternion or its sizes are none."""
    affine = np.eye(4)
    b, c, d = header.quaternion[:3]
    with np.errstate(all="ignore"):
        length = b * b + c * c + d * d
        if not length <= 1.0 + 1e-5:  # rounding in float32 may go a little beyond 1
            return np.full((4, 4), np.nan)
        a = np.sqrt(max(0.0, 1.0 - length))
        if 1.0 - length < _HALF_TURN:
            b, c, d = np.array([b, c, d]) / np.sqrt(length)
            a = 0.0
        rotation = [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
        sizes = np.array(_sizes(header), dtype=np.float64)
        affine[:3, :3] = np.array(rotation) * (sizes * [1.0, 1.0, header.handed])
    affine[:3, 3] = header.quaternion[3:]
    return affine


def _sizes(header: NiftiHeader) -> list[float]:
    """Pixel sizes without sign; along an axis of one voxel anything unusable is 1."""
    pairs = zip((*header.shape, 1, 1)[:3], map(abs, header.zooms), strict=True)
    return [1.0 if extent == 1 and not _plausible([size]) else size for extent, size in pairs]


def _usable(affine: Affine) -> bool:
    """Finite, invertible, of voxels that can be and not beyond the room."""
    if not np.isfinite(affine).all() or np.abs(affine[:3, 3]).max() > _FARTHEST:
        return False
    with np.errstate(all="ignore"):
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
        if not (np.isfinite(sizes).all() and _plausible(sizes)):
            return False
        return bool(abs(np.linalg.det(affine[:3, :3] / sizes)) > 1e-3)


def _plausible(sizes: Any) -> bool:
    return bool(np.min(sizes) >= _SMALLEST and np.max(sizes) <= _LARGEST)


def _base(
    header: NiftiHeader, shape: tuple[int, int, int], factor: float, coded: bool
) -> tuple[Affine, bool, tuple[str, ...]]:
    """Pixel sizes about the centre with x to the left, as nibabel has it; sides are unknown."""
    unusable = "The file's orientation is not usable; sides are unknown."
    words: tuple[str, ...] = (unusable if coded else "The file does not say which side is which.",)
    sizes = np.array(_sizes(header), dtype=np.float64) * factor
    calibrated = _plausible(sizes)
    if not calibrated:
        sizes = np.ones(3)
        words += ("The file gives no usable pixel size; there are no millimetres.",)
    affine = np.diag([-sizes[0], sizes[1], sizes[2], 1.0])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2.0)
    return affine, calibrated, words


def _difference(sform: Affine, qform: Affine, shape: tuple[int, int, int]) -> tuple[str, ...]:
    """A word when sform and qform put a corner of the volume more than half a voxel apart."""
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape[::-1]])).reshape(3, -1)
    apart = float(np.linalg.norm((sform - qform) @ np.vstack([corners, np.ones(8)]), axis=0).max())
    if apart <= 0.5 * np.linalg.norm(sform[:3, :3], axis=0).min():
        return ()
    return (f"The file's sform and qform differ by up to {apart:.1f} mm; the sform is used.",)


def _geometry(affine: Affine, shape: tuple[int, int, int], calibrated: bool, oriented: bool) -> Geometry:
    ours = _RAS_TO_LPS @ affine @ _REVERSE
    return Geometry(shape, ours, "patient" if calibrated else "none", oriented=oriented)
