"""NIfTI-1 and NIfTI-2. RAS becomes LPS here and nowhere else on the way in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Study, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers.single import one_series
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry

_ENDINGS = (".nii", ".nii.gz", ".hdr")
# nibabel's (x, y, z) with RAS millimetres against our (slice, row, column) with LPS millimetres.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSE = np.eye(4)[[2, 1, 0, 3]]


class NiftiReader:
    """Reads with nibabel, which knows the precedence of sform and qform."""

    name = "NIfTI"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return path.is_file() and path.name.lower().endswith(_ENDINGS)

    def open(self, path: Path, context: RunContext) -> Study:
        """One series; of a 4D file the first volume."""
        image = nifti_header(path)
        geometry, warnings = nifti_geometry(image)
        if image.ndim > 3 and image.shape[3] > 1:
            warnings += (f"The file holds {image.shape[3]} volumes; the first one is shown.",)
        return one_series(
            path,
            geometry,
            lambda _context: Volume(nifti_array(path), geometry, "OT", warnings=warnings),
            modality="OT",  # the format does not say
            description="NIfTI",
            encoding=f"NIfTI {image.get_data_dtype()}",
            warnings=warnings,
        )


def nifti_header(path: Path) -> Any:
    """The opened image, pixels unread; raises :class:`UserError` when it is no volume."""
    import nibabel

    try:
        image: Any = nibabel.load(path)
    except Exception as error:
        raise UserError(
            "The file is no readable NIfTI image.", "It may be cut short or of another format.", type(error).__name__
        ) from error
    if image.ndim < 2 or 0 in image.shape or image.get_data_dtype().fields is not None:
        raise UserError("The NIfTI file holds no volume.", "Choose a file with a 3D image.")
    return image


def nifti_geometry(image: Any) -> tuple[Geometry, tuple[str, ...]]:
    """Geometry in LPS of (slice, row, column), and what is unusual about it."""
    warnings: tuple[str, ...] = ()
    header = image.header
    affine = np.array(image.affine, dtype=np.float64)
    coded = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        usable = header.get_qform() if int(header["qform_code"]) > 0 else None
        if usable is not None and abs(np.linalg.det(usable[:3, :3])) > 1e-12:
            affine = usable
            warnings += ("The file's sform is not usable; its qform is used.",)
        else:
            affine = np.diag([*_sizes(header), 1.0])
            coded = False
            warnings += ("The file's orientation is not usable; sides are unknown.",)
    shape = (*image.shape, 1)[:3]
    if not coded:
        warnings += ("The file does not say which side is which.",)
    ours = _RAS_TO_LPS @ affine @ _REVERSE
    return Geometry((shape[2], shape[1], shape[0]), ours, "patient", oriented=coded), tuple(dict.fromkeys(warnings))


def _sizes(header: Any) -> list[float]:
    return [float(size) if np.isfinite(size) and size > 0 else 1.0 for size in (*header.get_zooms(), 1.0, 1.0)[:3]]


def nifti_array(path: Path) -> NDArray[np.generic]:
    """(slice, row, column) values, scaled as the header says, native integers where it does not scale."""
    image = nifti_header(path)
    try:
        data = np.asanyarray(image.dataobj)
    except Exception as error:
        raise UserError(
            "The NIfTI file is cut short or damaged.", "Copy it again from its source.", type(error).__name__
        ) from error
    first = data.reshape(*(*data.shape, 1)[:3], -1)[..., 0]
    if first.dtype.kind == "f":
        first = first.astype(np.float32, copy=False)
    return np.ascontiguousarray(first.transpose(2, 1, 0))
