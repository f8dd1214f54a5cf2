"""Whether a file really holds the pixels that its header promises, found without reading them."""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from saliency_viewer.readers.dicom.header import number, text

CUT_SHORT = "The file is cut short: it is smaller than its own pixels."
_IMPLICIT = "1.2.840.10008.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_NATIVE = (_IMPLICIT, _EXPLICIT, _BIG_ENDIAN)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_PIXEL_ELEMENTS = (0x0008, 0x0009, 0x0010)
_MOST_PIXELS = 400_000_000  # of one plane; more is damage or an attack, not a radiograph
_MOST_DEFLATED = 1032  # times that deflate can shrink zeros


@dataclass(frozen=True)
class Payload:
    """The pixel element of a file: bytes that are there, and, when compressed, how many pieces."""

    size: int
    pieces: int | None
    complete: bool


def open_header(path: Path) -> tuple[Any, Payload | None]:
    """Header without pixels, mended, and what its pixel element holds (None: no pixels, or deflated)."""
    import pydicom

    with quietly(), path.open("rb") as stream:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        deflated = text(getattr(dataset, "file_meta", {}), "TransferSyntaxUID") == _DEFLATED
        mend_syntax(dataset)
        payload = None if deflated else _measure(stream, dataset, path.stat().st_size)
        mend_frames(dataset, payload.size if payload else 0)
    return dataset, payload


@contextmanager
def quietly() -> Iterator[None]:
    """Keep pydicom's remarks to itself: they name files, whose names may be a patient's."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def mend_syntax(dataset: Any) -> None:
    """Write the encoding that the parser found into files that do not name one."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = getattr(dataset, "file_meta", None)
    if text(meta or {}, "TransferSyntaxUID"):
        return
    if meta is None:
        dataset.file_meta = meta = FileMetaDataset()
    implicit, little = dataset.original_encoding
    meta.TransferSyntaxUID = UID(_IMPLICIT if implicit else _EXPLICIT if little is not False else _BIG_ENDIAN)


def mend_frames(dataset: Any, size: int) -> None:
    """Replace a number of frames that is no number by as many as ``size`` bytes hold, at least one."""
    if "NumberOfFrames" not in dataset or number(dataset, "NumberOfFrames") is not None:
        return
    plane = _plane_bytes(dataset)
    native = text(dataset.file_meta, "TransferSyntaxUID") in _NATIVE
    dataset.NumberOfFrames = max(1, int(size // plane)) if native and plane >= 1 else 1


def complaint(path: Path, dataset: Any, payload: Payload | None) -> str:
    """Why the pixels cannot be used, empty when nothing speaks against them."""
    rows, columns = number(dataset, "Rows", 0) or 0, number(dataset, "Columns", 0) or 0
    if rows * columns > _MOST_PIXELS:
        return f"The file claims an absurd size of {rows:.0f} x {columns:.0f} pixels."
    frames = number(dataset, "NumberOfFrames", 1) or 1
    expected = _plane_bytes(dataset) * frames
    if text(getattr(dataset, "file_meta", {}), "TransferSyntaxUID") == _DEFLATED:
        return CUT_SHORT if expected > _MOST_DEFLATED * path.stat().st_size else ""
    if payload is None:
        return "The file holds no pixels."
    if payload.pieces is None:
        return CUT_SHORT if payload.size < int(expected) else ""
    if not payload.complete:
        return CUT_SHORT
    if frames > max(1, payload.pieces):
        return f"The file claims {frames:.0f} pictures and holds at most {payload.pieces}."
    return ""


def _plane_bytes(dataset: Any) -> float:
    sizes = [number(dataset, key, 1) or 1 for key in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")]
    # Subsampled colours take less than the header's product.
    part = 2 / 3 if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422" else 1.0
    return sizes[0] * sizes[1] * sizes[2] * sizes[3] * part / 8


def _measure(stream: BinaryIO, dataset: Any, file_size: int) -> Payload | None:
    """Read the head of the pixel element, where the parser has stopped, and step over its pieces."""
    order = ">" if text(dataset.file_meta, "TransferSyntaxUID") == _BIG_ENDIAN else "<"
    head = stream.read(8)
    if len(head) < 8:
        return None
    group, element = struct.unpack(f"{order}HH", head[:4])
    if group != 0x7FE0 or element not in _PIXEL_ELEMENTS:
        return None
    length = struct.unpack(f"{order}I", head[4:])[0]
    if not dataset.original_encoding[0]:
        if head[4:6] in (b"OB", b"OW", b"OF", b"OD", b"UN", b"OV"):
            longer = stream.read(4)
            length = struct.unpack(f"{order}I", longer)[0] if len(longer) == 4 else 0
        else:
            length = struct.unpack(f"{order}H", head[6:8])[0]
    start = stream.tell()
    if length != _UNDEFINED:
        return Payload(min(length, file_size - start), None, True)
    return _pieces(stream, start, file_size)


def _pieces(stream: BinaryIO, start: int, file_size: int) -> Payload:
    """Count compressed pieces; the first item is the table of offsets. Only heads of items are read."""
    count, place = -1, start
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            # Some writers leave the closing mark out; whole pieces to the very end are still whole.
            return Payload(file_size - start, max(count, 0), place == file_size and count > 0)
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) != _ITEM:
            return Payload(place - start, max(count, 0), (group, element) == _DELIMITER)
        count += 1
        place += 8 + length
        if place > file_size:
            return Payload(file_size - start, max(count, 0), False)
