"""The session file: a zip with ``session.json`` and plain arrays. No pickle, no class names, atomic."""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.runtime.files import atomic_path
from saliency_viewer.session.document import Document
from saliency_viewer.session.migrations import FORMAT, VERSION, migrate
from saliency_viewer.session.records import ArrayStore, from_record, to_record

SUFFIX = ".svsession"
_INDEX = "session.json"
_LARGEST_INDEX = 64 << 20  # bytes; a larger one is no file of ours
_LARGEST_HEADER = 4096
_EPOCH = (1980, 1, 1, 0, 0, 0)  # zip's first day: the same document gives the same bytes
# What zip, JSON, NumPy and our own records say to bytes that were not written by us. A damaged zip can also claim
# to be encrypted (RuntimeError) or packed in an unknown way (NotImplementedError).
_SIGNS_OF_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,  # Infinity, which Python's JSON knows, where a whole number belongs
    AttributeError,
    IndexError,
)


def save_session(document: Document, path: Path) -> Path:
    """Write ``document`` atomically; raises :class:`UserError` when the disk refuses (an old file stays whole)."""
    arrays: dict[str, NDArray[np.generic]] = {}
    record = {"format": FORMAT, "version": VERSION, **to_record(document, arrays)}
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        _add(archive, _INDEX, json.dumps(record, indent=1, sort_keys=True).encode())
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.save(stream, array, allow_pickle=False)
            _add(archive, name, stream.getvalue())
    return path


def load_session(path: Path) -> Document:
    """Read a session file; raises :class:`UserError` for a foreign, damaged or newer one."""
    try:
        with zipfile.ZipFile(path) as archive:
            record = migrate(json.loads(_read(archive, _INDEX, _LARGEST_INDEX)))
            return from_record(record, _Members(archive))
    except FileNotFoundError:
        raise UserError("There is no such session file.", "Check the spelling of the path.") from None
    except _SIGNS_OF_DAMAGE as error:
        raise _foreign(error) from error
    except MemoryError:
        raise UserError(
            "The session needs more memory than is free.", "Close other programs, or check that the file is whole."
        ) from None
    except OSError as error:
        raise UserError("The session file cannot be read.", "Check that you may open it.") from error


def _foreign(error: Exception) -> UserError:
    return UserError(
        "This is not a session file, or it is damaged.",
        "Choose a file that was saved by Saliency Viewer.",
        type(error).__name__,
    )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    # Level 1: an autosave must not be felt, and float maps hardly shrink further.
    archive.writestr(member, content, compresslevel=1)


def _read(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    if archive.getinfo(name).file_size > largest:
        raise ValueError(f"{name} is larger than it can be")
    return archive.read(name)


class _Members(ArrayStore):
    """Arrays of an open archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def array(self, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """The named array, which must have this shape and type (a small file can claim a huge one)."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        content = _read(self._archive, name, size + _LARGEST_HEADER)
        if _claimed(content) != (shape, np.dtype(dtype)):
            raise ValueError(f"{name} has another shape or type than said")
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))


def _claimed(content: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type as an array's header says; NumPy would make room for them before it looks for the values."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("not an array as we write it")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    return shape, dtype
