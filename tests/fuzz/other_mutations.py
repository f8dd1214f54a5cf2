"""Damage to bytes of any file, to text headers, to PNG and TIFF numbers, and to zips."""

from __future__ import annotations

import gzip
import io
import random
import re
import struct
import zipfile
import zlib

from mutations import damaged
from seeds import Seed

_NUMBERS = (b"", b"1 2 3 4 5 6 7 8 9", *b"0 -1 1e308 nan inf 65536 2147483647 99999999999999999999 none".split())
_AWAY = (b"%d.raw 1 99999999 1", *b"../../../../etc/hostname /etc/hostname LOCAL LIST away.raw . /dev/zero".split())
_WIDE = (0, 1, 0x7F, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000, 0x7F800000)
_MEMBERS = ("../../escaped.dcm", "/tmp/escaped.dcm", "a/../../../escaped.dcm", "C:\\escaped.dcm", "..\\..\\escaped.dcm")
_MEMBERS += ("a/" * 300 + "b", " ", ".", "x\0y")
_WAYS = ("flip_head", "flip_anywhere", "overwrite", "truncate", "remove", "insert", "word")
# Size of the header, dimensions, type, bits, spacings, where the voxels start, scale, codes of the forms, rows, magic.
_NIFTI_PLACES = (0, 40, 42, 44, 46, 48, 70, 72, 76, 80, 84, 88, 92, 108, 112, 116, 252, 254, 256, 280, 296, 344)
_HEADER_WORDS = b"float MET_DOUBLE block bzip2 gzip True ascii %s%n".split()


def mutated(rng: random.Random, seed: Seed) -> tuple[str, bytes]:
    """(what was done, the damaged file) of one seed."""
    by_kind = {"dicom": _dicom, "nifti": _nifti, "itk": _text_header, "picture": _picture, "zip": _zip}
    if rng.random() < 0.3:
        return _bytes(rng, seed.data)
    done, data = by_kind[seed.kind](rng, seed.data)
    if rng.random() < 0.15:
        more, data = _bytes(rng, data)
        done = f"{done}+{more}"
    return done, data


def _dicom(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    done, changed = damaged(rng, data)
    return (done, changed) if done else _bytes(rng, data)  # big-endian, deflated and markless files


def _bytes(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Flipped bits, overwritten, removed and inserted bytes, cut ends."""
    raw, way = bytearray(data), rng.choice(_WAYS)
    if not raw:
        return way, data
    place = rng.randrange(len(raw))
    if way in ("flip_head", "flip_anywhere"):
        end = min(len(raw), 2000) if way == "flip_head" else len(raw)
        for _ in range(rng.choice((1, 2, 8, 64))):
            raw[rng.randrange(end)] ^= 1 << rng.randrange(8)
    elif way == "overwrite":
        size = min(rng.choice((1, 4, 16, 300)), len(raw) - place)
        raw[place : place + size] = bytes(rng.randrange(256) for _ in range(size))
    elif way == "truncate":
        del raw[place:]
    elif way == "remove":
        del raw[place : place + rng.choice((1, 2, 7, 100))]
    elif way == "insert":
        raw[place:place] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 7, 100))))
    else:
        raw[place : place + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(_WIDE))
    return way, bytes(raw)


def _nifti(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    packed = data[:2] == b"\x1f\x8b"
    raw = bytearray(gzip.decompress(data) if packed else data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        code = rng.choice("hifq")
        place = rng.choice(_NIFTI_PLACES)
        value = (
            rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38, 1.0))
            if code == "f"
            else rng.choice((-1, *_WIDE[:4]))
        )
        raw[place : place + struct.calcsize(code)] = struct.pack(f"<{code}", value)
    if packed and rng.random() < 0.05:
        return "gzip_bomb", gzip.compress(bytes(raw) + bytes(64 * 2**20), mtime=0)
    return "numbers", gzip.compress(bytes(raw), mtime=0) if packed else bytes(raw)


def _text_header(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Another number, word, file or line in a header of text."""
    stop = max(data.find(b"\n\n"), data.find(b"LOCAL\n"), 0) or len(data)
    head, rest = data[:stop], data[stop:]
    way = rng.choice(("number", "file", "line", "word"))
    if way == "number":
        found = list(re.finditer(rb"-?[\d.]+", head))
        chosen = rng.sample(found, min(len(found), rng.choice((1, 2, 4))))
        for match in sorted(chosen, key=lambda match: -match.start()):
            head = head[: match.start()] + rng.choice(_NUMBERS) + head[match.end() :]
    elif way == "file":
        name = rng.choice(_AWAY)
        if b"ObjectType" in head:
            head = re.sub(rb"ElementDataFile = .*", b"ElementDataFile = " + name, head)
            rest = rest if rest else b"\n"
        else:
            head = re.sub(rb"\ndata file: .*", b"", head) + b"\ndata file: " + name
    elif way == "line":
        lines = head.split(b"\n")
        place = rng.randrange(len(lines))
        lines[place : place + 1] = rng.choice(([], [lines[place]] * 2, [lines[place] * 5000], [b"\xff\xfe\0"]))
        head = b"\n".join(lines)
    else:
        words = re.split(rb"(\s+)", head)
        words[rng.randrange(len(words))] = rng.choice(_HEADER_WORDS)
        head = b"".join(words)
    return way, head + rest


def _picture(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    if data[:4] == b"\x89PNG":
        return _png(rng, data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        raw = bytearray(data)
        place = struct.unpack_from("<I", raw, 4)[0] + 2
        count = struct.unpack_from("<H", raw, place - 2)[0]
        entry = place + 12 * rng.randrange(max(1, count)) + rng.choice((0, 2, 4, 8))
        if entry + 4 <= len(raw):
            raw[entry : entry + 4] = struct.pack("<I", rng.choice((*_WIDE, 8, place - 2, 259)))
        return "tiff_entry", bytes(raw)
    return _bytes(rng, data)


def _png(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Other numbers in the first chunk, its checksum made right again, or a bomb of equal rows."""
    width, height = (rng.choice((0, 1, 9, 5000, 30000, 65535, 2**31 - 1, 2**32 - 1)) for _ in range(2))
    head = bytearray(data[16:29])
    if rng.random() < 0.7:
        head[:8] = struct.pack(">II", width, height)
    else:
        head[8 + rng.randrange(5)] = rng.randrange(256)
    first = b"IHDR" + bytes(head)
    return "png_head", data[:12] + first + struct.pack(">I", zlib.crc32(first)) + data[33:]


def _zip(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """Members with names that lead elsewhere, links, bombs, zips in zips."""
    way = rng.choice(("names", "link", "bomb", "nested", "lies"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inner = archive.read(archive.namelist()[0])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:

        def add(name: str, content: bytes) -> None:  # dated 1980, not now
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)

        if way == "link":
            link = zipfile.ZipInfo("link.dcm")
            link.external_attr = 0o120777 << 16
            archive.writestr(link, rng.choice(("/etc/hostname", "../../..", "/dev/zero", "link.dcm")))
        if way == "bomb":
            add("zeros.dcm", bytes(rng.choice((1, 40, 120)) * 2**20))
        if way == "nested":
            add("inner.zip", data)
        add(rng.choice(_MEMBERS) if way == "names" else "a.dcm", inner)
    raw = bytearray(stream.getvalue())
    if way == "lies":
        place = raw.find(b"PK\1\2") + rng.choice((8, 10, 20, 24, 28, 42))
        raw[place : place + 4] = struct.pack("<I", rng.choice(_WIDE))
    return way, bytes(raw)
