"""Where each picture of a compressed multi-frame file lies (PS3.5 A.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

_ITEM = (0xFFFE, 0xE000)
_END_OF_IMAGE = b"\xff\xd9"
_PADDING = 10  # bytes at a fragment's end in which the end mark is looked for, as writers pad

Piece = tuple[int, int]  # start and length in the file, bytes


def pieces(stream: BinaryIO, start: int) -> list[Piece]:
    """Every item of the pixel element that starts at ``start``; the first is the table of offsets."""
    found: list[Piece] = []
    place = start
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            return found
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) != _ITEM:
            return found
        found.append((place + 8, length))
        place += 8 + length


def frame_pieces(stream: BinaryIO, start: int, frames: int, extended: Sequence[int] = ()) -> list[list[Piece]]:
    """The pieces of each of ``frames`` pictures.

    By their number where there is one for each, by the offsets of a table (``extended`` is the extended one) where
    there is a whole one, else by the end marks of the pictures themselves.
    """
    found = pieces(stream, start)
    table, data = found[:1], found[1:]
    if frames == 1 or not data:
        return [data]
    if len(data) == frames:
        return [[piece] for piece in data]
    offsets = list(extended) if len(extended) == frames else _offsets(stream, table)
    if len(offsets) == frames:
        return _by_offsets(data, offsets)
    return _by_end_marks(stream, data)


def _offsets(stream: BinaryIO, table: list[Piece]) -> list[int]:
    if not table:
        return []
    stream.seek(table[0][0])
    raw = stream.read(table[0][1] // 4 * 4)
    return list(struct.unpack(f"<{len(raw) // 4}I", raw))


def _by_offsets(data: list[Piece], offsets: list[int]) -> list[list[Piece]]:
    first = data[0][0] - 8
    starts = {first + offset: number for number, offset in enumerate(offsets)}
    frames: list[list[Piece]] = [[] for _ in offsets]
    number = 0
    for piece in data:
        number = starts.get(piece[0] - 8, number)
        frames[number].append(piece)
    return frames


def _by_end_marks(stream: BinaryIO, data: list[Piece]) -> list[list[Piece]]:
    frames: list[list[Piece]] = [[]]
    for start, length in data:
        frames[-1].append((start, length))
        stream.seek(max(start, start + length - _PADDING))
        if _END_OF_IMAGE in stream.read(min(length, _PADDING)):
            frames.append([])
    return [frame for frame in frames if frame]
