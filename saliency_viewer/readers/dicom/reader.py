"""Folders, single files and media directories of DICOM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from saliency_viewer.domain import Series, Study, Unreadable
from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers.dicom.grouping import grouped, labelled, numbered, with_groups
from saliency_viewer.readers.dicom.medium import absent_files
from saliency_viewer.readers.dicom.quiet import quietly
from saliency_viewer.readers.dicom.scan import (
    Entry,
    is_media_directory,
    is_other,
    looks_like_dicom,
    may_be_dicom,
    scan,
)
from saliency_viewer.readers.dicom.series import series_of
from saliency_viewer.readers.tree import files_below
from saliency_viewer.runtime.context import RunContext

FirstImage = Callable[[Series], None]


class DicomReader:
    """Scans headers, groups them into series, and leaves the pixels for later."""

    name = "DICOM"

    def accepts(self, path: Path) -> bool:
        """A file that starts like DICOM or is named so, or a folder with a file of such a start somewhere below."""
        if path.is_file():
            return may_be_dicom(path)
        return any(looks_like_dicom(item) for item in files_below(path, RunContext()))

    def open(self, path: Path, context: RunContext, found: FirstImage | None = None) -> Study:
        """All series below ``path``. A media directory file stands for the folder it is in.

        ``found`` hears the first image while the other files are still read.
        """
        with quietly():
            return self._open(path, context, found)

    def _open(self, path: Path, context: RunContext, found: FirstImage | None) -> Study:
        unreadable: list[Unreadable] = []
        if path.is_file() and is_media_directory(path):
            unreadable += absent_files(path)
            path = path.parent
        root = path.parent if path.is_file() else path

        def closed(folder: Path) -> None:
            unreadable.append(Unreadable(folder.relative_to(root).as_posix(), "The folder may not be read."))

        def limited(words: str) -> None:
            unreadable.append(Unreadable(".", words))

        files = (
            [path]
            if path.is_file()
            else [item for item in files_below(path, context, limited, closed) if not is_other(item)]
        )
        entries, refused = scan(root, files, context, None if found is None else lambda entry: _first(entry, found))
        unreadable += refused
        series = _series(entries, root, unreadable)
        if not series:
            raise _nothing(unreadable)
        return Study(str(path), series, series[0].study_uid, series[0].identity, tuple(unreadable))


def _first(entry: Entry, found: FirstImage) -> None:
    """Describe one file as a series of its own, for a first look."""
    try:
        described = series_of([entry])
    except Cancelled:
        raise
    except Exception:  # what is wrong with it will be said when the scan comes to the end
        return
    if described:
        found(described[0])


def _series(entries: list[Entry], root: Path, unreadable: list[Unreadable]) -> tuple[Series, ...]:
    series: list[Series] = []
    headers: list[Any] = []
    for group in grouped(entries):
        try:
            described = series_of(group.entries, group.copies)
        except NameError:
            raise  # as in scan.py
        except Exception as error:  # headers that no rule foresaw must not keep the other series from opening
            reason = f"The header's numbers make no image ({type(error).__name__})."
            unreadable += [Unreadable(entry.path.relative_to(root).as_posix(), reason) for entry in group.entries]
            continue
        series += described
        headers += [group.entries[0].header] * len(described)
    return numbered(with_groups(labelled(series, headers)))


def _nothing(unreadable: list[Unreadable]) -> UserError:
    if not unreadable:
        return UserError("The folder holds no image.", "Choose a folder with DICOM, NIfTI or raster images.")
    reasons = sorted({item.reason for item in unreadable})
    if len(unreadable) == 1:
        return UserError(f"No image could be opened. {reasons[0]}", "Copy it again from its source.")
    return UserError(
        f"None of the {len(unreadable)} DICOM files holds an image that can be opened. {reasons[0]}",
        "Copy the study again from its source.",
        "; ".join(reasons),
    )
