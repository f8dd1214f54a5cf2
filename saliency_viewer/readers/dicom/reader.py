"""Folders, single files and media directories of DICOM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from saliency_viewer.domain import Identity, Series, Study, Unreadable
from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import identity, text
from saliency_viewer.readers.dicom.loading import series_of
from saliency_viewer.readers.dicom.payload import Payload, complaint, open_header, quietly
from saliency_viewer.runtime.context import RunContext

_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_SMALLEST = 132  # bytes; anything shorter cannot be DICOM
_KNOWN_GROUPS = (0x0002, 0x0008)
_OTHER_ENDINGS = (".nii", ".gz", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".txt", ".csv", ".json", ".xml")


class DicomReader:
    """Scans headers, groups them into series, and leaves the pixels for later."""

    name = "DICOM"

    def accepts(self, path: Path) -> bool:
        """A file that starts like DICOM, or a folder with such a file somewhere below."""
        if path.is_file():
            return looks_like_dicom(path)
        return any(looks_like_dicom(item) for item in _files(path))

    @quietly()
    def open(self, path: Path, context: RunContext) -> Study:
        """All series below ``path``. A media directory file stands for the folder it is in."""
        if path.is_file() and _is_media_directory(path):
            path = path.parent
        files = [path] if path.is_file() else [item for item in _files(path) if _may_be_dicom(item)]
        root = path.parent if path.is_file() else path
        found: dict[str, list[tuple[Path, Any]]] = {}
        unreadable: list[Unreadable] = []
        who = Identity()
        for done, item in enumerate(files, start=1):
            dataset, reason = _header(item)
            if dataset is None:
                if reason:
                    unreadable.append(Unreadable(item.relative_to(root).as_posix(), reason))
            else:
                who = identity(dataset) if not found else who
                found.setdefault(_series_key(dataset), []).append((item, dataset))
            context.report(done / len(files), "Reading headers")
        series = _numbered([one for group in found.values() for one in series_of(group)])
        if not series:
            raise _nothing(unreadable)
        first = next(iter(found.values()))[0][1]
        return Study(str(path), series, text(first, "StudyInstanceUID"), who, tuple(unreadable))


def _files(folder: Path) -> Iterator[Path]:
    """Every file below a folder in the order of names; links to folders are not followed, so loops cannot happen."""
    for item in sorted(folder.rglob("*")):
        if item.is_file() and not item.name.startswith("."):
            yield item


def looks_like_dicom(path: Path) -> bool:
    """By the preamble's mark, or for files without one by a plausible first element."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_SMALLEST)
    except OSError:
        return False
    if head[128:132] == b"DICM":
        return True
    return len(head) == _SMALLEST and _starts_with_element(head) and path.suffix.lower() not in _OTHER_ENDINGS


def _starts_with_element(head: bytes) -> bool:
    """A first tag of group 2 or 8 with a small element number, in either byte order."""
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group = int.from_bytes(head[0:2], order)
        element = int.from_bytes(head[2:4], order)
        if group in _KNOWN_GROUPS and element <= 0x0060:
            return True
    return False


def _may_be_dicom(path: Path) -> bool:
    return looks_like_dicom(path) or path.suffix.lower() in (".dcm", ".dicom", ".ima")


def _is_media_directory(path: Path) -> bool:
    dataset, _, _ = _read(path)
    return (
        dataset is not None and text(getattr(dataset, "file_meta", {}), "MediaStorageSOPClassUID") == _MEDIA_DIRECTORY
    )


def _read(path: Path) -> tuple[Any, Payload | None, str]:
    try:
        return *open_header(path), ""
    except Exception as error:  # whatever a damaged header raises, it is this one file's reason
        return None, None, f"The file is damaged or cut short ({type(error).__name__})."


def _header(path: Path) -> tuple[Any, str]:
    """The header of an image, or why there is none; an empty reason for files that nobody would miss."""
    dataset, payload, reason = _read(path)
    if dataset is None:
        return None, reason
    meta = getattr(dataset, "file_meta", {})
    if text(meta, "MediaStorageSOPClassUID") == _MEDIA_DIRECTORY:
        return None, ""
    if "Rows" not in dataset or "Columns" not in dataset:
        kind = text(dataset, "Modality")
        if not kind and not text(dataset, "SOPClassUID"):
            return None, "The file is damaged or no DICOM file."
        return None, f"The file holds no image{f' (it is of kind {kind})' if kind else ''}."
    if text(dataset, "Modality") == "SEG":
        return None, "The file is a segmentation, not an image."
    short = complaint(path, dataset, payload)
    return (None, short) if short else (dataset, "")


def _series_key(dataset: Any) -> str:
    """Series, image size and kind of pixels: images that differ in these cannot be one volume."""
    uid = text(dataset, "SeriesInstanceUID") or text(dataset, "SOPInstanceUID")
    keys = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation")
    return "|".join([uid, *(text(dataset, key) for key in keys)])


def _numbered(series: list[Series]) -> tuple[Series, ...]:
    """Series in the order of their numbers, each number once, each UID once."""
    taken: set[int] = set()
    uids: set[str] = set()
    result = []
    for one in sorted(series, key=lambda s: s.number):
        value = one.number if one.number > 0 else 1
        while value in taken:
            value += 1
        taken.add(value)
        uid, count = one.uid, 2
        while uid in uids:
            uid, count = f"{one.uid}#{count}", count + 1
        uids.add(uid)
        result.append(replace(one, number=value, uid=uid))
    return tuple(result)


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
