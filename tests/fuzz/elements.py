"""A DICOM file as a list of elements that can be changed one by one, and be made to lie about themselves."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

UNDEFINED = 0xFFFFFFFF
PIXELS = 0x7FE00010
LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_OTHER_ORDER = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99")


@dataclass
class Element:
    """``length`` is what the file says of it; None is the truth."""

    tag: int
    code: bytes
    value: bytes
    length: int | None = None

    def encoded(self, implicit: bool) -> bytes:
        said = len(self.value) if self.length is None else self.length
        head = struct.pack("<HH", self.tag >> 16, self.tag & 0xFFFF)
        if implicit:
            return head + struct.pack("<I", said) + self.value
        if self.code in LONG:
            return head + self.code + struct.pack("<HI", 0, said) + self.value
        return head + self.code + struct.pack("<H", said & 0xFFFF) + self.value


@dataclass
class Layout:
    """Preamble and mark, meta group, data set, and whatever could not be cut into elements."""

    start: bytes
    meta: list[Element]
    elements: list[Element]
    implicit: bool
    tail: bytes = b""
    prefixed: list[bytes] = field(default_factory=list)  # raw bytes that go before the pixels

    def encoded(self) -> bytes:
        parts = [self.start, *(one.encoded(False) for one in self.meta)]
        for one in self.elements:
            if one.tag == PIXELS:
                parts += self.prefixed
            parts.append(one.encoded(self.implicit))
        return b"".join((*parts, self.tail))

    def find(self, tag: int) -> Element | None:
        return next((one for one in (*self.meta, *self.elements) if one.tag == tag), None)

    def put(self, tag: int, code: bytes, value: bytes) -> None:
        """Write a value, in the order of tags where the element is new."""
        found = self.find(tag)
        if found is not None:
            found.value, found.length = value, None
            return
        place = next((k for k, one in enumerate(self.elements) if one.tag > tag), len(self.elements))
        self.elements.insert(place, Element(tag, code, value))


def item(value: bytes) -> bytes:
    """A value as an item of a sequence or of compressed pixels."""
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value


def parsed(raw: bytes) -> Layout | None:
    """The elements of a little-endian file with a meta group; None for any other."""
    if raw[128:132] != b"DICM":
        return None
    meta, place = _elements(raw, 132, False, only_group=2)
    syntax = next((one.value.rstrip(b"\0 ") for one in meta if one.tag == 0x00020010), b"")
    if syntax in _OTHER_ORDER or not syntax:
        return None
    implicit = syntax == b"1.2.840.10008.1.2"
    elements, place = _elements(raw, place, implicit)
    return Layout(raw[:132], meta, elements, implicit, raw[place:])


def _elements(raw: bytes, place: int, implicit: bool, only_group: int | None = None) -> tuple[list[Element], int]:
    found: list[Element] = []
    while place + 12 <= len(raw):
        group, number = struct.unpack_from("<HH", raw, place)
        if only_group is not None and group != only_group:
            break
        start, length, code = place + 8, 0, b""
        if implicit:
            length = struct.unpack_from("<I", raw, place + 4)[0]
        else:
            code, length = raw[place + 4 : place + 6], struct.unpack_from("<H", raw, place + 6)[0]
            if code in LONG:
                start, length = place + 12, struct.unpack_from("<I", raw, place + 8)[0]
        tag = group << 16 | number
        stop = start + length
        if length == UNDEFINED:
            end = raw.find(_SEQUENCE_END, start)
            stop = len(raw) if tag == PIXELS or end < 0 else end + 8
        if stop > len(raw):
            break
        found.append(Element(tag, code, raw[start:stop], UNDEFINED if length == UNDEFINED else None))
        place = stop
    return found, place
