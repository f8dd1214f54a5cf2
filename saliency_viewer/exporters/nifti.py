"""Maps and regions as NIfTI. Here, and in the NIfTI reader, LPS and RAS meet.

Voxels that the model never saw stay NaN, as in the NPY file: a zero would claim "no influence". nibabel,
nilearn, FSL and SPM keep it (use nan-aware functions); programs built on ITK read such voxels as 0.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import AttributionMap, RegionSet, Volume, label_map
from saliency_viewer.runtime.files import write_bytes
from saliency_viewer.spatial import Geometry

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_COMPRESSION = 3
_RIGID = 1e-4  # of axes at right angles; positions in DICOM are rounded
_COMMENT = 6  # NIfTI's code of a header extension that holds text
_SCANNER, _ALIGNED = 1, 2  # NIfTI's codes for what the coordinates mean


def write_map_nifti(amap: AttributionMap, path: Path) -> Path:
    """Write the raw signed map as float32 ``.nii.gz`` on the image's grid."""
    return _write(np.asarray(amap.array, dtype=np.float32), amap.geometry, path, f"saliency {amap.method}")


def write_grid_nifti(values: NDArray[np.float32], geometry: Geometry, path: Path, description: str) -> Path:
    """Write (slice, row, column) float32 ``values`` on ``geometry``; the header holds up to 80 letters about them."""
    return _write(np.asarray(values, dtype=np.float32), geometry, path, description)


def write_regions(regions: RegionSet, path: Path) -> Path:
    """Write a label map whose header says which labels make up each region, so that overlaps and names come back.

    Labels are 1..n in the regions' order; see :func:`~saliency_viewer.domain.label_map` for overlapping ones.
    """
    labels, table = label_map(regions)
    small = np.uint8 if labels.max(initial=0) < 256 else np.int32
    return _write(labels.astype(small), regions.geometry, path, "regions", table.to_json())


def write_volume(volume: Volume, path: Path) -> Path:
    """Write an image's modality values; their type stays where NIfTI has it."""
    return _write(np.asarray(volume.array), volume.geometry, path, "image")


def ras_affine(geometry: Geometry) -> NDArray[np.float64]:
    """(4, 4) from NIfTI's index (column, row, slice) of a voxel centre to RAS mm."""
    reversed_axes = geometry.affine[:, [2, 1, 0, 3]]
    return np.asarray(_LPS_TO_RAS @ reversed_axes)


def _write(array: NDArray[np.generic], geometry: Geometry, path: Path, description: str, comment: str = "") -> Path:
    import nibabel  # here, since it brings pydicom along, which the window does not need to stand

    new_image: Any = nibabel.Nifti1Image  # nibabel declares only a part of its types
    affine = ras_affine(geometry)
    image = new_image(array.transpose(2, 1, 0), affine)
    code = _SCANNER if geometry.oriented else _ALIGNED
    image.set_sform(affine, code)
    if _is_rigid(geometry):
        image.set_qform(affine, code)
    else:
        image.header["qform_code"] = 0  # a quaternion cannot hold the shear of a tilted grid
    image.header.set_xyzt_units("unknown" if geometry.calibration == "none" else "mm")
    image.header["descrip"] = description.encode()[:79]
    if comment:
        image.header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, comment.encode()))
    # Without time stamp and file name in the gzip header the same map gives the same bytes.
    write_bytes(path, gzip.compress(image.to_bytes(), _COMPRESSION, mtime=0))
    return path


def _is_rigid(geometry: Geometry) -> bool:
    direction = geometry.direction
    return bool(np.abs(direction.T @ direction - np.eye(3)).max() < _RIGID)
