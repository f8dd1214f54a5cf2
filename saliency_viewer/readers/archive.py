"""A zip of images, unpacked into a temporary folder that goes with the program."""

from __future__ import annotations

import atexit
import errno
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from saliency_viewer.domain import Study, Unreadable
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers.folder import FolderReader
from saliency_viewer.runtime.context import RunContext

_MOST_FILES = 50_000
_MOST_BYTES = 20 * 2**30
_SMALL = 16 * 2**20  # bytes that any zip may unpack to; an empty mask shrinks a thousandfold
_MOST_RATIO = 200  # beyond that: images rarely shrink tenfold
_SPARE = 2**30  # bytes of the disk that stay free
_BLOCK = 1 << 20
# Readers that go by name need these; nothing else of a member's name is used.
_ENDINGS = (
    *(".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img"),
    *(".nrrd", ".nhdr", ".mha", ".mhd", ".raw.gz", ".raw", ".zraw"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".j2k"),
    *(".dcm", ".dicom", ".ima"),
)
# Other methods can take gigabytes for a few bytes (LZMA's dictionary, bzip2's blocks) and nobody's archive has them.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveReader:
    """Refuses archives that grow out of proportion; none can write outside its folder."""

    name = "Zip"

    def accepts(self, path: Path) -> bool:
        """By content; by name too, so that one that is cut short is called damaged."""
        return path.is_file() and (path.suffix.lower() == ".zip" or _starts_like_zip(path))

    def open(self, path: Path, context: RunContext) -> Study:
        """Everything inside, as if it were a folder. Members that cannot be unpacked are listed with the reason."""
        folder = Path(tempfile.mkdtemp(prefix="saliency-viewer-zip-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        try:
            with _as_user_errors(), zipfile.ZipFile(path) as archive:
                unpacked = _unpack(archive, folder, path.stat().st_size, context.part(0.0, 0.5))
            study = _inside(folder, unpacked, context.part(0.5, 1.0))
        except (UserError, Cancelled):
            shutil.rmtree(folder, ignore_errors=True)
            raise
        named = [replace(item, path=unpacked.names.get(item.path, item.path)) for item in study.unreadable]
        return replace(study, path=str(path), unreadable=(*unpacked.unreadable, *named))


@dataclass
class _Unpacked:
    """``names``: the archive's own name of each unpacked file, to be shown and nothing else."""

    names: dict[str, str] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    written: int = 0


def _starts_like_zip(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"PK\x03\x04"
    except OSError:
        return False


@contextmanager
def _as_user_errors() -> Iterator[None]:
    try:
        yield
    except (UserError, Cancelled):
        raise
    except Exception as error:  # zipfile raises nearly everything on damaged archives
        raise UserError(
            "The zip file is damaged, or there is no room to unpack it.",
            "Unpack it yourself and open the folder.",
            type(error).__name__,
        ) from error


def _inside(folder: Path, unpacked: _Unpacked, context: RunContext) -> Study:
    try:
        return FolderReader().open(folder, context)
    except UserError as error:
        if not unpacked.names and unpacked.unreadable:
            raise UserError(
                f"No file in the zip can be unpacked. {unpacked.unreadable[0].reason}",
                "Unpack it yourself and open the folder.",
            ) from error
        raise UserError(
            error.message.replace("The folder", "The zip file").replace("in the folder", "in the zip file"),
            error.hint,
            error.detail,
        ) from error


def _unpack(archive: zipfile.ZipFile, folder: Path, size: int, context: RunContext) -> _Unpacked:
    members = [one for one in archive.infolist() if not one.is_dir() and not _hidden(one.filename)]
    most = min(_MOST_BYTES, max(_SMALL, size * _MOST_RATIO))
    total = sum(one.file_size for one in members)
    if len(members) > _MOST_FILES or total > most:
        raise _too_much()
    if total > shutil.disk_usage(folder).free - _SPARE:
        raise UserError("There is not enough free disk space to unpack the zip file.", "Make room and open it again.")
    result, numbers = _Unpacked(), _Numbers()
    for done, member in enumerate(members, start=1):
        reason = _refusal(member)
        if not reason:
            name = numbers.name(member.filename)
            reason = _extract(archive, member, folder / name, most, result, context)
            if not reason:
                result.names[name] = member.filename
        if reason:
            result.unreadable.append(Unreadable(member.filename, reason))
        context.report(done / len(members), "Unpacking")
    return result


def _hidden(name: str) -> bool:
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


class _Numbers:
    """Numbered names: nothing in the archive decides where a file is written.

    Members of one folder that differ in their endings only get one number: a header and its voxels stay a pair.
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._taken: set[str] = set()

    def name(self, member: str) -> str:
        ending = next((one for one in _ENDINGS if member.lower().endswith(one)), "")
        stem = member[: len(member) - len(ending)]
        number = self._known.setdefault(stem, len(self._known))
        found = f"{number:06d}{ending}"
        if found in self._taken:  # the same name twice
            number = self._known[f"{stem}/{len(self._known)}"] = len(self._known)
            found = f"{number:06d}{ending}"
        self._taken.add(found)
        return found


def _refusal(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 0x1:
        return "The file is encrypted with a password."
    if member.compress_type not in _METHODS:
        return "The file is packed in an unusual way."
    if member.filename.lower().endswith(".zip"):
        return "A zip inside the zip is not opened."
    return ""


def _extract(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, most: int, result: _Unpacked, context: RunContext
) -> str:
    """Why the member cannot be unpacked, or nothing. Counts real bytes: the sizes in the archive may be lies."""
    try:
        with archive.open(member) as source, target.open("xb") as sink:
            _copy(source, sink, most, result, context)
    except (UserError, Cancelled):
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        reason = type(error).__name__
    except Exception as error:  # zlib's, zipfile's and struct's errors share no class
        reason = type(error).__name__
    else:
        return ""
    target.unlink(missing_ok=True)
    return f"The file is damaged in the zip ({reason})."


def _copy(source: IO[bytes], sink: IO[bytes], most: int, result: _Unpacked, context: RunContext) -> None:
    while block := source.read(_BLOCK):
        context.check()
        result.written += len(block)
        if result.written > most:
            raise _too_much()
        sink.write(block)


def _too_much() -> UserError:
    return UserError("The zip file would unpack to too much.", "Unpack it yourself and open the folder.")
