"""NIfTI-1, NIfTI-2 and Analyze 7.5. RAS becomes LPS here and nowhere else on the way in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Study
from saliency_viewer.errors import UserError
from saliency_viewer.readers.nifti_header import NiftiHeader, read_header, stored_voxels
from saliency_viewer.readers.nifti_place import place_of
from saliency_viewer.readers.single import stored_study
from saliency_viewer.readers.voxels import Stored, measured, read_array
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry

_ENDINGS = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")
_PAIRS = {".img": ".hdr", ".img.gz": ".hdr.gz"}


class NiftiReader:
    """Single files and pairs of .hdr and .img."""

    name = "NIfTI"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return path.name.lower().endswith(_ENDINGS) and path.is_file()

    def open(self, path: Path, context: RunContext) -> Study:
        """A series for every volume."""
        image = nifti_header(path)
        geometry, warnings = nifti_geometry(image)
        return stored_study(
            path,
            image.stored,
            geometry,
            description="NIfTI" if image.header.kind.startswith("NIfTI") else "Analyze",
            encoding=f"{image.header.kind} {image.stored.dtype.name}",
            warnings=(*image.warnings, *warnings),
        )


@dataclass(frozen=True)
class NiftiImage:
    """A header with the place of its voxels, which are unread. ``shape`` is the file's (x, y, z, ...)."""

    header: NiftiHeader
    stored: Stored
    warnings: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """As the file counts: (x, y), (x, y, z) or (x, y, z, volumes, ...)."""
        return self.header.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.header.shape)


def nifti_header(path: Path) -> NiftiImage:
    """The opened image, pixels unread; raises :class:`UserError` when it is no volume."""
    header_path, voxel_path = nifti_pair(path)
    header = read_header(header_path)
    if not header.single and voxel_path == header_path:
        raise _missing("file with the voxels (.img)")
    stored, warnings = measured(stored_voxels(header, header_path if header.single else voxel_path))
    if len(header.shape) > 4:
        warnings += ("The file has more than four dimensions; all its volumes are listed in their order.",)
    return NiftiImage(header, stored, warnings)


def nifti_geometry(image: NiftiImage) -> tuple[Geometry, tuple[str, ...]]:
    """Geometry in LPS of (slice, row, column), and what is unusual about it."""
    return place_of(image.header, image.stored.shape)


def nifti_array(path: Path) -> NDArray[np.generic]:
    """(slice, row, column) values of the first volume, scaled as the header says, native integers where it can be.

    Raises :class:`UserError` for colours.
    """
    stored = nifti_header(path).stored
    if stored.colour:
        raise UserError("The NIfTI file holds colours, not values.", "Choose a file with one number in each voxel.")
    return read_array(stored, 0, RunContext())


def nifti_pair(path: Path) -> tuple[Path, Path]:
    """(header, voxels) of a pair when given either; twice the same for a single file.

    Raises :class:`UserError` when voxels have no header beside them.
    """
    for voxels, header in _PAIRS.items():
        if path.name.lower().endswith(voxels):
            found = _sibling(path, voxels, header)
            if found == path:
                raise _missing("header (.hdr)")
            return found, path
        if path.name.lower().endswith(header):
            # A magic that says "single file" in a .hdr is rare but allowed: then there is no second file to miss.
            return path, _sibling(path, header, voxels)
    return path, path


def _sibling(path: Path, ending: str, other: str) -> Path:
    """The other half of a pair, packed or not, or ``path`` itself where there is none."""
    stem = path.name[: -len(ending)]
    plain = other.removesuffix(".gz")
    names = [stem + form for base in (plain, plain.upper()) for form in (base, f"{base}.gz")]
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), path)


def _missing(what: str) -> UserError:
    return UserError(f"The other half of the image, its {what}, is missing.", "Keep both files in one folder.")
