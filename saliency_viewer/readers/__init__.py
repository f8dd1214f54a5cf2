"""Files in: DICOM, NIfTI and raster images become a Study; label maps become regions.

READERS is asked in order; the first that accepts a path opens it. Libraries are imported when first needed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from saliency_viewer.domain import Series, Study
from saliency_viewer.errors import UserError
from saliency_viewer.readers.archive import ArchiveReader
from saliency_viewer.readers.base import Reader
from saliency_viewer.readers.dicom.reader import DicomReader
from saliency_viewer.readers.folder import FolderReader
from saliency_viewer.readers.itk import ItkReader
from saliency_viewer.readers.masks import load_regions
from saliency_viewer.readers.nifti import NiftiReader
from saliency_viewer.readers.parts import parts_of
from saliency_viewer.readers.raster import RasterReader
from saliency_viewer.readers.stamps import stamp
from saliency_viewer.runtime.context import RunContext

__all__ = ["READERS", "Reader", "load_regions", "open_study", "parts_of", "stamp", "warm_up"]

READERS: tuple[Reader, ...] = (
    NiftiReader(),
    ItkReader(),
    RasterReader(),
    ArchiveReader(),
    FolderReader(),
    DicomReader(),
)


def open_study(
    path: str | Path, context: RunContext | None = None, found: Callable[[Series], None] | None = None
) -> Study:
    """Everything at ``path``: a folder of any images, a DICOM file, DICOMDIR or zip, a NIfTI, NRRD, MHA or picture.

    Series are described from headers; pixels are read by ``series.load()``. ``found`` hears the first image of a DICOM
    folder, as a series of one slice, while the other files are still read. Raises :class:`UserError` when
    the path does not exist, may not be read, or holds no image that can be used.
    """
    place = _readable(path)
    for reader in READERS:
        if reader.accepts(place):
            if isinstance(reader, FolderReader | DicomReader):
                return reader.open(place, context or RunContext(), found)
            return reader.open(place, context or RunContext())
    raise UserError(
        "The file is of no known image format.",
        "Open DICOM, NIfTI, NRRD, MHA, PNG, JPEG, TIFF or BMP files, a folder of these, or a zip.",
    )


def warm_up() -> None:
    """Start a decoder's process, which the first compressed image would otherwise wait for."""
    from saliency_viewer.readers.dicom.decoding import workers

    workers().warm_up()


def _readable(path: str | Path) -> Path:
    """The path as a file or folder that may be read."""
    place = Path(path)
    try:
        place = place.expanduser()
        kind = place.stat().st_mode
        if stat.S_ISDIR(kind):
            with os.scandir(place) as entries:
                next(entries, None)
        elif stat.S_ISREG(kind):
            place.open("rb").close()
        else:
            # Opening a pipe waits until somebody writes into it.
            raise UserError("This is neither a file nor a folder.", "Choose an image file or a folder.")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError("There is no such file or folder.", "Check the path.") from error
    except (RuntimeError, ValueError) as error:  # "~nobody", or a path with a null character
        raise UserError("There is no such file or folder.", "Check the path.", type(error).__name__) from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            raise UserError("There is no such file or folder.", "Check the path.", "ELOOP or ENAMETOOLONG") from error
        raise UserError(
            "The file or folder may not be read.", "Ask its owner for permission, or copy it.", type(error).__name__
        ) from error
    return place
