"""A folder of NIfTI or raster files without any DICOM: every file is a series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from saliency_viewer.domain import Series, Study, Unreadable
from saliency_viewer.errors import UserError
from saliency_viewer.readers.base import Reader
from saliency_viewer.readers.itk import ItkReader
from saliency_viewer.readers.nifti import NiftiReader
from saliency_viewer.readers.raster import RasterReader
from saliency_viewer.runtime.context import RunContext

_FILE_READERS: tuple[Reader, ...] = (NiftiReader(), ItkReader(), RasterReader())


class ImageFolderReader:
    """Asked last: DICOM folders may hold stray pictures too."""

    name = "Folder of images"

    def accepts(self, path: Path) -> bool:
        """Whether any file directly in the folder has a known ending."""
        return path.is_dir() and any(_reader_of(item) for item in path.iterdir())

    def open(self, path: Path, context: RunContext) -> Study:
        """Files in the order of their names; damaged ones are listed and the rest opens."""
        series: list[Series] = []
        unreadable: list[Unreadable] = []
        files = sorted(item for item in path.iterdir() if _reader_of(item))
        for done, item in enumerate(files, start=1):
            reader = _reader_of(item)
            try:
                found = reader.open(item, context).series if reader else ()
            except UserError as error:
                unreadable.append(Unreadable(item.name, error.message))
                continue
            series += [replace(one, number=len(series) + 1) for one in found]
            context.report(done / len(files), "Looking at files")
        if not series:
            raise UserError("No image in the folder can be read.", "Check the files.", f"{len(unreadable)} damaged")
        return Study(str(path), tuple(series), unreadable=tuple(unreadable))


def _reader_of(path: Path) -> Reader | None:
    return next((reader for reader in _FILE_READERS if reader.accepts(path)), None)
