"""Files in: DICOM, NIfTI and raster images become a Study; label maps become regions.

READERS is asked in order; the first that accepts a path opens it. Libraries are imported when first needed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from saliency_viewer.domain import Series, Study
from saliency_viewer.errors import UserError
from saliency_viewer.readers.archive import ArchiveReader
from saliency_viewer.readers.base import Reader
from saliency_viewer.readers.dicom.reader import DicomReader
from saliency_viewer.readers.folder import ImageFolderReader
from saliency_viewer.readers.itk import ItkReader
from saliency_viewer.readers.masks import load_regions
from saliency_viewer.readers.nifti import NiftiReader
from saliency_viewer.readers.raster import RasterReader
from saliency_viewer.runtime.context import RunContext

__all__ = ["READERS", "Reader", "load_regions", "open_study", "warm_up"]

READERS: tuple[Reader, ...] = (
    NiftiReader(),
    ItkReader(),
    RasterReader(),
    ArchiveReader(),
    DicomReader(),
    ImageFolderReader(),
)


def open_study(
    path: str | Path, context: RunContext | None = None, found: Callable[[Series], None] | None = None
) -> Study:
    """Everything at ``path``: a DICOM folder, file, DICOMDIR or zip, a NIfTI, NRRD, MHA or raster image.

    Series are described from headers; pixels are read by ``series.load()``. ``found`` hears the first image of a DICOM
    folder, as a series of one slice, while the other files are still read. Raises :class:`UserError` when
    the path does not exist, may not be read, or holds no image that can be used.
    """
    place = Path(path).expanduser()
    _require_readable(place)
    for reader in READERS:
        if reader.accepts(place):
            if isinstance(reader, DicomReader):
                return reader.open(place, context or RunContext(), found)
            return reader.open(place, context or RunContext())
    if place.is_dir():
        raise UserError("The folder holds no image.", "Choose a folder with DICOM, NIfTI or raster images.")
    raise UserError(
        "The file is of no known image format.",
        "Open DICOM, NIfTI, NRRD, MHA, PNG, JPEG, TIFF or BMP files, or a zip of DICOM files.",
    )


def warm_up() -> None:
    """Start a decoder's process, which the first compressed image would otherwise wait for."""
    from saliency_viewer.readers.dicom.decoding import workers

    workers().warm_up()


def _require_readable(place: Path) -> None:
    try:
        if not place.exists():
            raise UserError("There is no such file or folder.", "Check the path.")
        if place.is_dir():
            next(place.iterdir(), None)
        else:
            place.open("rb").close()
    except OSError as error:
        raise UserError(
            "The file or folder may not be read.", "Ask its owner for permission, or copy it.", type(error).__name__
        ) from error
