"""A folder of anything: DICOM first, then every other image below it as a series of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from saliency_viewer.domain import Series, Study, Unreadable
from saliency_viewer.errors import UserError
from saliency_viewer.readers.base import Reader
from saliency_viewer.readers.beside import DATA_ENDINGS
from saliency_viewer.readers.dicom.reader import DicomReader
from saliency_viewer.readers.itk import ItkReader
from saliency_viewer.readers.nifti import NiftiReader
from saliency_viewer.readers.raster import RasterReader
from saliency_viewer.readers.tree import OPEN_A_PART, files_below
from saliency_viewer.runtime.context import RunContext

_VOLUMES: tuple[Reader, ...] = (NiftiReader(), ItkReader())
_IMAGES: tuple[Reader, ...] = (*_VOLUMES, RasterReader())
_MOST_IMAGES = 5_000  # files of other formats than DICOM, each a line of the list


class FolderReader:
    """DICOM and other images may lie together; pictures beside DICOM are previews and logos, and left out."""

    name = "Folder"

    def accepts(self, path: Path) -> bool:
        """Every folder."""
        return path.is_dir()

    def open(self, path: Path, context: RunContext, found: Callable[[Series], None] | None = None) -> Study:
        """All series below ``path``; what cannot be read is listed with its reason, and the rest opens.

        ``found`` hears the first image of a DICOM folder while the others are still read. Raises :class:`UserError`
        when nothing can be read.
        """
        dicom, trouble = _dicom(path, context.part(0.0, 0.7), found)
        limits: list[str] = []
        files = list(_images(path, _VOLUMES if dicom else _IMAGES, context, limits.append))
        if dicom is None and not files:
            raise trouble or _empty(limits)
        others, unreadable = _opened(path, files, dicom, context.part(0.7, 1.0))
        unreadable += [Unreadable(".", words) for words in limits]
        if trouble is not None:
            unreadable.insert(0, Unreadable(".", trouble.message))
        if dicom is not None:
            unreadable[:0] = dicom.unreadable
            return replace(dicom, series=(*dicom.series, *others), unreadable=tuple(dict.fromkeys(unreadable)))
        if not others:
            raise _nothing(unreadable)
        return Study(str(path), tuple(others), unreadable=tuple(unreadable))


def _dicom(
    path: Path, context: RunContext, found: Callable[[Series], None] | None
) -> tuple[Study | None, UserError | None]:
    """The DICOM study of a folder, or why its DICOM files give none; neither when it holds no DICOM."""
    reader = DicomReader()
    if not reader.accepts(path):
        return None, None
    try:
        return reader.open(path, context, found), None
    except UserError as error:
        return None, error


def _images(
    path: Path, readers: tuple[Reader, ...], context: RunContext, limited: Callable[[str], None]
) -> Iterator[tuple[Path, Reader]]:
    """Files that one of ``readers`` takes, by name; ``limited`` hears when there are too many."""
    count = 0
    for item in files_below(path, context, limited):
        reader = next((one for one in readers if one.accepts(item)), None)
        if reader is None or item.name.lower().endswith(DATA_ENDINGS):
            continue
        count += 1
        if count > _MOST_IMAGES:
            limited(f"The folder holds more than {_MOST_IMAGES} images; the others are not listed. {OPEN_A_PART}")
            return
        yield item, reader


def _opened(
    root: Path, files: list[tuple[Path, Reader]], dicom: Study | None, context: RunContext
) -> tuple[list[Series], list[Unreadable]]:
    """Series numbered after those of ``dicom``, each id once."""
    first = max((one.number for one in dicom.series), default=0) + 1 if dicom else 1
    uids = {one.uid for one in dicom.series} if dicom else set()
    series: list[Series] = []
    unreadable: list[Unreadable] = []
    for done, (item, reader) in enumerate(files, start=1):
        context.report(done / len(files), "Looking at files")
        try:
            found = reader.open(item, context.part(0.0, 0.0)).series
        except UserError as error:
            unreadable.append(Unreadable(item.relative_to(root).as_posix(), error.message))
            continue
        for one in found:
            uid, copy = one.uid, 2
            while uid in uids:  # the same file twice
                uid, copy = f"{one.uid}~{copy}", copy + 1
            uids.add(uid)
            series.append(replace(one, number=first + len(series), uid=uid))
    return series, unreadable


def _empty(limits: list[str]) -> UserError:
    if limits:
        return UserError(f"No image was found in the folder. {limits[0]}", "Choose the folder with the images.")
    return UserError("The folder holds no image.", "Choose a folder with DICOM, NIfTI or raster images.")


def _nothing(unreadable: list[Unreadable]) -> UserError:
    reasons = sorted({item.reason for item in unreadable})
    return UserError(
        f"No image in the folder can be read. {reasons[0]}", "Check the files.", f"{len(unreadable)} damaged"
    )
