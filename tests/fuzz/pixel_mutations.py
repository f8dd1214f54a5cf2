"""Damage to compressed pixels: pieces, tables of offsets, markers of codecs, bombs, and a wrong name for all of it."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache

from elements import PIXELS, UNDEFINED, Element, Layout, item

_BOMB = 48 * 2**20  # bytes of zeros
_JPEG = [f".4.{number}" for number in (50, 51, 53, 55, 57, 70, 80, 81, *range(90, 95), 100, 102, 107, 201, 202, 203)]
_SYNTAXES = ["", ".1", ".1.98", ".1.99", ".2", *_JPEG, ".5", ".8.1", ".9.9"]


def _pieces(layout: Layout) -> tuple[Element, list[bytes]] | None:
    """The pixel element of a compressed file, and its items."""
    one = layout.find(PIXELS)
    if one is None or one.length != UNDEFINED:
        return None
    found, place = [], 0
    while one.value[place : place + 4] == b"\xfe\xff\x00\xe0" and place + 8 <= len(one.value):
        size = struct.unpack_from("<I", one.value, place + 4)[0]
        found.append(one.value[place + 8 : place + 8 + size])
        place += 8 + size
    return (one, found) if found else None


def offset_table(rng: random.Random, layout: Layout) -> None:
    found = _pieces(layout)
    if found is None:
        return
    one, pieces = found
    count = rng.choice((0, 1, len(pieces), 1000))
    entries = [rng.choice((0, 1, 8, 100, 2**31, UNDEFINED)) for _ in range(count)]
    if rng.random() < 0.5:
        pieces[0] = struct.pack(f"<{count}I", *entries)
    else:
        layout.put(0x7FE00001, b"OV", struct.pack(f"<{count}Q", *entries))
        lengths = [rng.choice((0, 9, 2**40, 2**63)) for _ in range(count)]
        layout.put(0x7FE00002, b"OV", struct.pack(f"<{count}Q", *lengths))
    one.value = b"".join(map(item, pieces)) + b"\xfe\xff\xdd\xe0\0\0\0\0"


def fragments(rng: random.Random, layout: Layout) -> None:
    found = _pieces(layout)
    if found is None:
        return
    one, pieces = found
    place = rng.randrange(len(pieces))
    piece = pieces[place]
    cut = rng.randrange(len(piece) + 1)
    garbage = bytes(rng.randrange(256) for _ in range(40))
    ways = ([], [piece, piece], [piece[:cut], piece[cut:]], [piece[:cut]], [garbage], [b""])
    pieces[place : place + 1] = rng.choice(ways)
    one.value = b"".join(map(item, pieces)) + rng.choice((b"\xfe\xff\xdd\xe0\0\0\0\0", b""))


def codestream(rng: random.Random, layout: Layout) -> None:
    """Change bytes behind a marker of JPEG, JPEG-LS or JPEG 2000, or in the head of RLE."""
    found = _pieces(layout)
    if found is None or len(found[1]) < 2:
        return
    one, pieces = found
    place = rng.randrange(1, len(pieces))
    piece = bytearray(pieces[place])
    if not piece:
        return
    marks = [k for k in range(len(piece) - 1) if piece[k] == 0xFF and piece[k + 1] >= 0x4F]
    marks = marks or list(range(min(64, len(piece))))
    for _ in range(rng.choice((1, 1, 2, 5))):
        where = rng.choice(marks[:12] if rng.random() < 0.7 else marks) + rng.randrange(24)
        if where < len(piece):
            piece[where] = rng.choice((0, 1, 0x7F, 0xFF, piece[where] ^ 1 << rng.randrange(8), rng.randrange(256)))
    pieces[place] = bytes(piece)
    one.value = b"".join(map(item, pieces)) + b"\xfe\xff\xdd\xe0\0\0\0\0"


def wrong_syntax(rng: random.Random, layout: Layout) -> None:
    uid = f"1.2.840.10008.1.2{rng.choice(_SYNTAXES)}".encode()
    layout.put(0x00020010, b"UI", uid + b"\0" * (len(uid) % 2))


@cache
def _zeros(deflate_window: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, deflate_window)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(_BOMB // 2**20)) + packer.flush()


def deflated_bomb(rng: random.Random, layout: Layout) -> None:
    """A deflated file that grows a thousandfold, or one with pictures that do."""
    giant = struct.pack("<H", rng.choice((64, 4000, 7000, 20000)))
    for tag in (0x00280010, 0x00280011):
        layout.put(tag, b"US", giant)
    if rng.random() < 0.5:
        layout.put(0x00020010, b"UI", b"1.2.840.10008.1.2.8.1\0")
        layout.put(PIXELS, b"OB", item(b"") + item(_zeros(-15)) + b"\xfe\xff\xdd\xe0\0\0\0\0")
        layout.elements[-1].length = UNDEFINED
        return
    layout.put(0x00020010, b"UI", b"1.2.840.10008.1.2.1.99")
    inside = b"".join(one.encoded(False) for one in layout.elements if one.tag != PIXELS or rng.random() < 0.5)
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = packer.compress(inside + Element(PIXELS, b"OW", b"", 2**31 - 2).encoded(False))
    packed += b"".join(packer.compress(bytes(2**20)) for _ in range(_BOMB // 2**20)) + packer.flush()
    layout.elements, layout.prefixed, layout.tail = [], [], packed
