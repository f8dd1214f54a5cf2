"""NRRD and MetaImage through SimpleITK."""

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

_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")


class ItkReader:
    """SimpleITK's coordinates are LPS already; only the order of axes differs."""

    name = "NRRD / MetaImage"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return path.is_file() and path.name.lower().endswith(_ENDINGS)

    def open(self, path: Path, context: RunContext) -> Study:
        """One series."""
        geometry = itk_geometry(path)
        return one_series(
            path,
            geometry,
            lambda _context: Volume(itk_array(path), geometry, "OT"),
            modality="OT",
            description=path.suffix.lstrip(".").upper(),
            encoding=path.suffix.lstrip(".").upper(),
        )


def _reader(path: Path) -> Any:
    import SimpleITK

    reader: Any = SimpleITK.ImageFileReader()  # type: ignore[no-untyped-call]
    reader.SetFileName(str(path))
    return reader


def itk_geometry(path: Path) -> Geometry:
    """Geometry of (slice, row, column) from the header."""
    reader = _reader(path)
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _damaged(error) from error
    axes = reader.GetDimension()
    if axes not in (2, 3) or reader.GetNumberOfComponents() != 1:
        raise UserError("The file holds no single 2D or 3D grey image.", "Choose a file with one volume.")
    size = (*reader.GetSize(), 1)[:3]
    matrix = np.eye(3)
    matrix[:axes, :axes] = np.array(reader.GetDirection()).reshape(axes, axes) * np.array(reader.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = matrix[:, ::-1]
    affine[:axes, 3] = reader.GetOrigin()
    return Geometry((size[2], size[1], size[0]), affine, "patient", oriented=axes == 3)


def itk_array(path: Path) -> NDArray[np.generic]:
    """(slice, row, column) values."""
    import SimpleITK

    try:
        values = np.asarray(SimpleITK.GetArrayFromImage(_reader(path).Execute()))
    except RuntimeError as error:
        raise _damaged(error) from error
    volume = values[None] if values.ndim == 2 else values
    return volume.astype(np.float32) if volume.dtype.kind == "f" else volume


def _damaged(error: Exception) -> UserError:
    return UserError("The file is damaged or cut short.", "Copy it again from its source.", type(error).__name__)
