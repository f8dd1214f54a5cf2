"""What a medium's directory lists (PS3.3 F.3)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from saliency_viewer.domain import Unreadable
from saliency_viewer.readers.dicom.header import items, text


def absent_files(directory: Path) -> list[Unreadable]:
    """One line about files that a DICOMDIR lists and that are not there, as on a medium that was copied in part."""
    missing = sum(not _is_there(directory.parent, parts) for parts in _listed(directory))
    if not missing:
        return []
    words = "1 file that the medium's directory lists is not there."
    if missing > 1:
        words = f"{missing} files that the medium's directory lists are not there."
    return [Unreadable(directory.name, f"{words} Copy the whole medium.")]


def _listed(directory: Path) -> Iterator[tuple[str, ...]]:
    import pydicom

    try:
        records = items(pydicom.dcmread(directory), "DirectoryRecordSequence")
    except Exception:  # a damaged directory lists nothing; the files themselves are what counts
        return
    for record in records:
        parts = tuple(part for part in text(record, "ReferencedFileID").split("\\") if part)
        if parts and ".." not in parts:
            yield parts


def _is_there(root: Path, parts: tuple[str, ...]) -> bool:
    """Whether the file is there, in capitals as it is listed or in small letters as some systems mount media."""
    return any(root.joinpath(*(turn(part) for part in parts)).exists() for turn in (str, str.lower))
