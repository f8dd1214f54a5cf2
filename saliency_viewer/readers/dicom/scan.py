"""Going through files: which are images, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from saliency_viewer.domain import Unreadable
from saliency_viewer.readers.dicom.header import text
from saliency_viewer.readers.dicom.opening import open_header
from saliency_viewer.readers.dicom.payload import complaint
from saliency_viewer.readers.dicom.walk import walk
from saliency_viewer.runtime.context import RunContext

MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_SMALLEST = 132  # bytes; anything shorter cannot be DICOM
_KNOWN_GROUPS = (0x0002, 0x0008)
_ENDINGS = (".dcm", ".dicom", ".ima")
_OTHER_ENDINGS = (".nii", ".gz", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".txt", ".csv", ".json", ".xml")
# Modalities of PS3.3 C.7.3.1.1.1, those without images first.
_KINDS = (
    "SR KO PR DOC REG FID AU ECG EPS HD EEG EMG EOG RESP RTPLAN RTRECORD RTINTENT RTRAD PLAN STAIN SMR ASMT "
    "ANN M3D TEXTUREMAP RTDOSE RTIMAGE RTSTRUCT SEG CT MR PT NM US XA RF CR DX MG IO PX RG OT SC SM XC ES GM "
    "OP OPT OCT IVUS IVOCT BI DG CFM BDUS BMD LS POS TG VA PA OAM OPM OPV KER LEN LP DMS IOL AR SRF OSS OPTENF "
    "OPTBSV PHOTOACOUSTIC"
)
_CODES = frozenset(_KINDS.split(" "))
_MASKS = {"SEG": "segmentation", "RTSTRUCT": "set of drawn structures"}


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A file with an image: where it is, and its header without pixels."""

    path: Path
    header: Any


def scan(
    root: Path, files: list[Path], context: RunContext, found: Callable[[Entry], None] | None = None
) -> tuple[list[Entry], list[Unreadable]]:
    """Headers of ``files``; ``found`` hears the first image at once. Unreadable paths are relative to ``root``."""
    entries: list[Entry] = []
    unreadable: list[Unreadable] = []
    for done, path in enumerate(files, start=1):
        header, reason = read_header(path)
        if header is not None:
            entries.append(Entry(path, header))
            if found is not None and len(entries) == 1:
                found(entries[0])
        elif reason:
            unreadable.append(Unreadable(path.relative_to(root).as_posix(), reason))
        if done % 16 == 0 or done == len(files):
            context.report(done / len(files), f"Reading headers: {done} of {len(files)} files")
    return entries, unreadable


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


def may_be_dicom(path: Path) -> bool:
    """Whether a file of a folder is meant as DICOM, by content or by name."""
    return path.suffix.lower() in _ENDINGS or looks_like_dicom(path)


def is_other(path: Path) -> bool:
    """Whether a file's name says that it is of another format, so that it need not be opened."""
    return path.suffix.lower() in _OTHER_ENDINGS


def _starts_with_element(head: bytes) -> bool:
    """A first tag of group 2 or 8 with a small element number, in either byte order."""
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        group = int.from_bytes(head[0:2], order)
        element = int.from_bytes(head[2:4], order)
        if group in _KNOWN_GROUPS and element <= 0x0060:
            return True
    return False


def is_media_directory(path: Path) -> bool:
    """Whether the file is a DICOMDIR."""
    try:
        header, _ = open_header(path, walk(path))
    except Exception:  # a damaged file is no directory
        return False
    return text(getattr(header, "file_meta", {}), "MediaStorageSOPClassUID") == MEDIA_DIRECTORY


def read_header(path: Path) -> tuple[Any, str]:
    """The header of an image, or why there is none; an empty reason for files that nobody would miss."""
    try:
        quick = walk(path)
        if quick is None and not looks_like_dicom(path):
            return None, "The file is damaged or no DICOM file." if may_be_dicom(path) else ""
        header, payload = open_header(path, quick)
        if text(getattr(header, "file_meta", {}), "MediaStorageSOPClassUID") == MEDIA_DIRECTORY:
            return None, ""
        reason = _no_image(header) or complaint(path, header, payload)
    except PermissionError:
        return None, "The file may not be read."
    except (OSError, EOFError) as error:
        return None, f"The file could not be read ({type(error).__name__})."
    except NameError:
        raise  # a slip of ours, which must not pass for the file's damage
    except Exception as error:  # whatever a damaged header raises, it is this one file's reason
        return None, f"The file is damaged or cut short ({type(error).__name__})."
    return (None, reason) if reason else (header, "")


def _no_image(header: Any) -> str:
    kind = text(header, "Modality")
    if kind in _MASKS:
        return f"The file is a {_MASKS[kind]}, not an image{'' if kind == 'SEG' else f' (it is of kind {kind})'}."
    if "Rows" in header and "Columns" in header:
        return ""
    if not kind and not text(header, "SOPClassUID"):
        return "The file is damaged or no DICOM file."
    return f"The file holds no image{f' (it is of kind {kind})' if _is_code(kind) else ''}."


def _is_code(kind: str) -> bool:
    """Whether it is one of the standard's codes; anything else is damage, and might be somebody's name."""
    return kind in _CODES
