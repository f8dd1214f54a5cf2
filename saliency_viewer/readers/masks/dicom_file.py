"""Telling what a DICOM file holds, and opening one that may be damaged without trusting its sizes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import text
from saliency_viewer.readers.dicom.opening import mend_syntax
from saliency_viewer.readers.dicom.quiet import quietly
from saliency_viewer.readers.dicom.scan import looks_like_dicom

_LAST_TAG = 0x00080060  # Modality stands behind SOPClassUID
_DEFLATED = "1.2.840.10008.1.2.1.99"
_CHUNK = 2**20
_FIRST = 2**16  # bytes of a deflated file that hold its first elements
_MOST_UNPACKED = 2**30  # bytes


@contextmanager
def damage_is_said() -> Iterator[None]:
    """What a damaged header leads to becomes a :class:`UserError`: it gives values of any kind, anywhere."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise damaged(error) from error


def sop_class(path: Path) -> str:
    """The SOP class of a DICOM file, empty when it names none or cannot be read; never raises."""
    if not looks_like_dicom(path):
        return ""
    try:
        with quietly(), path.open("rb") as stream:
            head = _head(stream)
    except Exception:  # a damaged header raises anything; opening it gives the reason
        return ""
    return text(head, "SOPClassUID") or text(getattr(head, "file_meta", {}), "MediaStorageSOPClassUID")


def _head(stream: BinaryIO) -> Any:
    from pydicom.filereader import read_dataset, read_partial

    meta = _meta(stream)
    if text(meta, "TransferSyntaxUID") != _DEFLATED:
        stream.seek(0)
        return read_partial(stream, stop_when=_behind, force=True)
    # pydicom would unpack all of it for the first few elements.
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.read(_FIRST), _FIRST)
    return read_dataset(io.BytesIO(unpacked), False, True, stop_when=_behind)


def _behind(tag: Any, _vr: str | None, _length: int) -> bool:
    return bool(tag > _LAST_TAG)


def _meta(stream: BinaryIO) -> Any:
    """The file meta information; the stream stands behind it."""
    from pydicom.filereader import read_dataset, read_preamble

    read_preamble(stream, force=True)
    return read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group != 2)


def open_dicom(path: Path) -> Any:
    """The whole file, with the encoding named. Raises :class:`UserError` when it is damaged."""
    import pydicom

    try:
        with quietly():
            _require_bounded(path)
            dataset = pydicom.dcmread(path, force=True)
            mend_syntax(dataset)
    except UserError:
        raise
    except Exception as error:  # pydicom raises whatever a damaged header leads to
        raise damaged(error) from error
    return dataset


def damaged(error: Exception | None = None) -> UserError:
    """The error for a file that contradicts itself."""
    return UserError(
        "The DICOM file with the mask is damaged or cut short.",
        "Copy it again from its source.",
        type(error).__name__ if error is not None else "",
    )


def _require_bounded(path: Path) -> None:
    """Refuse a deflated file that unpacks to more than any mask, before pydicom unpacks it whole."""
    with path.open("rb") as stream:
        if text(_meta(stream), "TransferSyntaxUID") != _DEFLATED:
            return
        unpacker, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, stream.read(_CHUNK)
        while rest and not unpacker.eof:
            size += len(unpacker.decompress(rest, _CHUNK))
            rest = unpacker.unconsumed_tail or stream.read(_CHUNK)
            if size > _MOST_UNPACKED:
                raise UserError("The DICOM file unpacks to an absurd size.", "It may be damaged; copy it again.")
