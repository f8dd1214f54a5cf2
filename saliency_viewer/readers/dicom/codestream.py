"""What a compressed picture says of its own size, read from its first markers."""

from __future__ import annotations

import struct

_START = b"\xff\xd8"
_JPEG_2000 = b"\xff\x4f\xff\x51"
_JP2_BOX = b"\0\0\0\x0cjP  "
# Start-of-frame markers of JPEG (T.81 table B.1) and of JPEG-LS; C4, C8 and CC are something else.
_FRAMES = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD8)))


def size_of(encoded: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K picture; None when it says none."""
    if encoded[:12].startswith(_JP2_BOX):
        place = encoded.find(_JPEG_2000, 0, 65536)
        return _of_jpeg_2000(encoded, place) if place >= 0 else None
    if encoded[:4] == _JPEG_2000:
        return _of_jpeg_2000(encoded, 0)
    return _of_jpeg(encoded) if encoded[:2] == _START else None


def _of_jpeg_2000(encoded: bytes, place: int) -> tuple[int, int] | None:
    if len(encoded) < place + 24:
        return None
    right, bottom, left, top = struct.unpack(">4I", encoded[place + 8 : place + 24])
    return bottom - top, right - left


def _of_jpeg(encoded: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(encoded):
        if encoded[place] != 0xFF:
            return None
        marker = encoded[place + 1]
        if marker == 0xFF:  # fill bytes
            place += 1
            continue
        if marker in _ALONE:
            place += 2
            continue
        if marker in _FRAMES:
            rows, columns = struct.unpack(">HH", encoded[place + 5 : place + 9])
            return rows, columns
        place += 2 + struct.unpack(">H", encoded[place + 2 : place + 4])[0]
    return None
