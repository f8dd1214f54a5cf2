"""Whether a file really holds the pixels that its header promises, found without reading them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from saliency_viewer.readers.dicom.forms import PixelForm
from saliency_viewer.readers.dicom.frames import MOST_FRAMES
from saliency_viewer.readers.dicom.header import BIG_ENDIAN, number, transfer_syntax, value
from saliency_viewer.readers.dicom.quick_header import PixelElement

CUT_SHORT = "The file is cut short: it is smaller than its own pixels."
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
NATIVE = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
_VIDEO = "1.2.840.10008.1.2.4.10"  # MPEG-2, MPEG-4 and HEVC all start so
_UNDEFINED = 0xFFFFFFFF
_ITEM, _DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_WHOLE_NUMBERS = 0x0010
_PIXEL_ELEMENTS = (0x0008, 0x0009, _WHOLE_NUMBERS)  # the first two hold floating numbers
_LONG_CODES = (b"OB", b"OW", b"OF", b"OD", b"UN", b"OV")
_MOST_PIXELS = 400_000_000  # of one plane; more is damage or an attack, not a radiograph
_MOST_SHRUNK = 2_000_000  # times smaller than its pixels; an empty JPEG 2000 picture of 4000 x 4000 is 160,000
_MOST_PIECES = 100_000  # and four for each picture
_SHOWN = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422")
_ONLY_COMPRESSED = ("YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420")
_MOST_DEFLATED = 1032  # times that deflate can shrink zeros
_SAMPLES = (1, 3, 4)
_ALLOCATED = (1, 8, 16, 32, 64)


@dataclass(frozen=True)
class Payload:
    """The pixel element of a file: where it starts, the bytes that are there, and, when compressed, how many pieces."""

    start: int
    size: int
    pieces: int | None
    complete: bool
    floating: bool = False


def measure(stream: BinaryIO, dataset: Any, file_size: int) -> PixelElement | None:
    """Read the head of the pixel element, where the parser has stopped; None when there is none."""
    order = ">" if transfer_syntax(dataset) == BIG_ENDIAN else "<"
    head = stream.read(8)
    if len(head) < 8:
        return None
    group, element = struct.unpack(f"{order}HH", head[:4])
    if group != 0x7FE0 or element not in _PIXEL_ELEMENTS:
        return None
    length, code = struct.unpack(f"{order}I", head[4:])[0], "OW"
    # What stands there decides, not the meta group: some files mix both forms.
    if head[4:6] in _LONG_CODES and head[6:8] == b"\0\0":
        longer = stream.read(4)
        length = struct.unpack(f"{order}I", longer)[0] if len(longer) == 4 else 0
        code = head[4:6].decode()
    floating = element != _WHOLE_NUMBERS
    return PixelElement(stream.tell(), None if length == _UNDEFINED else length, code, file_size, floating)


def payload_of(stream: BinaryIO, pixels: PixelElement, frames: int = 1) -> Payload:
    """What is there of the pixel element; of compressed pixels the pieces are counted by their heads.

    So many pieces that ``frames`` pictures cannot need them are not counted to the end.
    """
    if pixels.length is not None:
        size = min(pixels.length, pixels.file_size - pixels.start)
        return Payload(pixels.start, size, None, True, pixels.floating)
    return _pieces(stream, pixels.start, pixels.file_size, _MOST_PIECES + 4 * frames)


def _pieces(stream: BinaryIO, start: int, file_size: int, most: int) -> Payload:
    """Count compressed pieces; the first item is the table of offsets. Only heads of items are read."""
    count, place = -1, start
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            # Some writers leave the closing mark out; whole pieces to the very end are still whole.
            return Payload(start, file_size - start, max(count, 0), place == file_size and count > 0)
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) != _ITEM:
            return Payload(start, place - start, max(count, 0), (group, element) == _DELIMITER)
        count += 1
        place += 8 + length
        if place > file_size or count > most:
            return Payload(start, file_size - start, max(count, 0), False)


def mend_frames(dataset: Any, size: int) -> None:
    """Replace a number of frames that is no number by as many as ``size`` bytes hold, at least one."""
    if value(dataset, "NumberOfFrames") is None and "NumberOfFrames" not in dataset:
        return
    if number(dataset, "NumberOfFrames") is not None:
        return
    plane = PixelForm.of(dataset).plane_bytes
    native = transfer_syntax(dataset) in NATIVE
    dataset.NumberOfFrames = max(1, int(size // plane)) if native and plane >= 1 else 1


def complaint(path: Path, dataset: Any, payload: Payload | None) -> str:
    """Why the pixels cannot be used, empty when nothing speaks against them."""
    form = PixelForm.of(dataset)
    expected = form.plane_bytes * form.frames
    syntax = transfer_syntax(dataset)
    absurd = _absurd(form)
    if absurd:
        return absurd
    if form.photometric not in _SHOWN and not (form.photometric in _ONLY_COMPRESSED and syntax not in NATIVE):
        return "The file's colours are written in a way that cannot be shown."
    if syntax.startswith(_VIDEO):
        return "The file holds a video, not pictures; export its frames as pictures."
    if syntax == DEFLATED:
        return CUT_SHORT if expected > _MOST_DEFLATED * path.stat().st_size else ""
    if payload is None:
        return "The file holds no pixels."
    if payload.pieces is None:
        return CUT_SHORT if payload.size < int(expected) else _too_many(form)
    if not payload.complete:
        return CUT_SHORT
    if form.frames > max(1, payload.pieces):
        return f"The file claims {form.frames} pictures and holds at most {payload.pieces}."
    if expected > _MOST_SHRUNK * max(1, payload.size):
        return "The file claims far more pixels than its compressed data can hold."
    return _too_many(form)


def _too_many(form: PixelForm) -> str:
    return f"The file claims {form.frames} pictures, more than can be shown." if form.frames > MOST_FRAMES else ""


def _absurd(form: PixelForm) -> str:
    if form.rows < 1 or form.columns < 1:
        return "The file holds no image: it says that it has no rows or columns."
    if form.rows * form.columns > _MOST_PIXELS:
        return f"The file claims an absurd size of {form.rows} x {form.columns} pixels."
    if form.samples not in _SAMPLES or form.allocated not in _ALLOCATED:
        return "The header's description of a pixel is damaged."
    return ""
