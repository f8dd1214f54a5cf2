"""A zip of DICOM files, unpacked into a temporary folder that goes with the program."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from saliency_viewer.domain import Study
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.reader import DicomReader
from saliency_viewer.runtime.context import RunContext

_MOST_FILES = 50_000
_MOST_BYTES = 20 * 2**30
_MOST_RATIO = 200  # packed images rarely shrink tenfold; a bomb shrinks a thousandfold


class ArchiveReader:
    """Refuses archives that would write outside their folder or grow out of proportion."""

    name = "Zip"

    def accepts(self, path: Path) -> bool:
        """By content; by name too, so that one that is cut short is called damaged."""
        return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))

    def open(self, path: Path, context: RunContext) -> Study:
        """The DICOM study inside."""
        folder = Path(tempfile.mkdtemp(prefix="saliency-viewer-zip-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, folder, context.part(0.0, 0.5))
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
            raise UserError(
                "The zip file is damaged, encrypted or too large to unpack.",
                "Unpack it yourself and open the folder.",
                type(error).__name__,
            ) from error
        study = DicomReader().open(folder, context.part(0.5, 1.0))
        return replace(study, path=str(path))


def _unpack(archive: zipfile.ZipFile, folder: Path, context: RunContext) -> None:
    members = [member for member in archive.infolist() if not member.is_dir()]
    total = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if len(members) > _MOST_FILES or total > _MOST_BYTES or total / packed > _MOST_RATIO:
        raise UserError("The zip file would unpack to too much.", "Unpack it yourself and open the folder.")
    for number, member in enumerate(members):
        # Numbered names: nothing in the archive decides where a file is written.
        with archive.open(member) as source, (folder / f"{number:06d}").open("wb") as target:
            shutil.copyfileobj(source, target)
        context.report((number + 1) / len(members), "Unpacking")
