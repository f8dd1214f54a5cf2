"""One file's header: by the fast walk where the file is ordinary, by pydicom where it is not."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from saliency_viewer.readers.dicom.frames import frame_count
from saliency_viewer.readers.dicom.header import BIG_ENDIAN, drop_endless_sign, text, transfer_syntax
from saliency_viewer.readers.dicom.payload import (
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    Payload,
    measure,
    mend_frames,
    payload_of,
)
from saliency_viewer.readers.dicom.quick_header import QuickHeader
from saliency_viewer.readers.dicom.quiet import quietly
from saliency_viewer.readers.dicom.tags import kept_by_pydicom

_MOST_HEADER = 64 * 2**20  # bytes of an inflated header; deflate can hide gigabytes in a megabyte
_META_PART = 64 * 1024


def open_header(path: Path, quick: QuickHeader | None) -> tuple[Any, Payload | None]:
    """Header without pixels, mended, and what its pixel element holds (None: no pixels, or deflated).

    ``quick`` is what the fast walk found. Raises whatever a damaged file makes pydicom raise.
    """
    if quick is None or quick.pixels is None:
        return _by_pydicom(path)
    if not _sound(quick):
        return _by_pydicom(path)
    if quick.pixels.length is not None:
        size = min(quick.pixels.length, quick.pixels.file_size - quick.pixels.start)
        return quick, Payload(quick.pixels.start, size, None, True, quick.pixels.floating)
    with path.open("rb") as stream:
        return quick, payload_of(stream, quick.pixels, frame_count(quick))


def _sound(quick: QuickHeader) -> bool:
    """Whether the numbers that decide about pixels are numbers; pydicom mends some that are not."""
    frames_said = "NumberOfFrames" not in quick or bool(quick.numbers("NumberOfFrames"))
    return frames_said and bool(quick.numbers("Rows")) and bool(quick.numbers("Columns"))


def _by_pydicom(path: Path) -> tuple[Any, Payload | None]:
    import pydicom

    with quietly(), path.open("rb") as stream:
        source = _inflated_start(stream) if _is_deflated(stream) else stream
        dataset = pydicom.dcmread(source, stop_before_pixels=True, force=True, specific_tags=list(kept_by_pydicom()))
        deflated = transfer_syntax(dataset) == DEFLATED or source is not stream
        drop_endless_sign(dataset)
        mend_syntax(dataset)
        pixels = None if deflated else measure(stream, dataset, path.stat().st_size)
        payload = None if pixels is None else payload_of(stream, pixels, frame_count(dataset))
        if deflated:
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(DEFLATED)
        mend_frames(dataset, payload.size if payload else 0)
    return dataset, payload


def _is_deflated(stream: BinaryIO) -> bool:
    head = stream.read(_META_PART)
    stream.seek(0)
    return head[128:132] == b"DICM" and (DEFLATED.encode() in head[132:2048])


def _inflated_start(stream: BinaryIO) -> BinaryIO:
    """A deflated file as an explicit one that ends after its header, at most so many bytes of it."""
    head = stream.read(_META_PART)
    start = _end_of_meta(head)
    meta = head[:start].replace(DEFLATED.encode(), EXPLICIT.encode().ljust(len(DEFLATED), b"\0"))
    stream.seek(start)
    inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(stream.read(_MOST_HEADER), _MOST_HEADER)
    return io.BytesIO(meta + inflated)


def _end_of_meta(head: bytes) -> int:
    """Where the meta group ends: its first element says how long it is."""
    if head[132:136] != b"\x02\0\0\0":
        raise ValueError("the meta group has no length")
    return 144 + int.from_bytes(head[140:144], "little")


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
    meta.TransferSyntaxUID = UID(IMPLICIT if implicit else EXPLICIT if little is not False else BIG_ENDIAN)
