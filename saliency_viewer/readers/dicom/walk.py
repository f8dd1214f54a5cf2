"""A fast walk through the header of an ordinary file.

Ordinary is a file with preamble and meta group, in a little-endian encoding, whose values have plain lengths and whose
geometry stands in the top level. Of anything else :func:`walk` says None, and pydicom reads the file; both give the
same values (proved on every test file).
"""

from __future__ import annotations

import os
from pathlib import Path
from struct import Struct

from saliency_viewer.readers.dicom.quick_header import PixelElement, QuickHeader
from saliency_viewer.readers.dicom.tags import Wanted, wanted

_FIRST = 12 * 1024  # bytes that hold most headers of scanners
_MORE = 64 * 1024
_LONGEST_STEP = 2**20  # an element before the pixels that is larger is unusual
_LONGEST_HEADER = 8 * 2**20
_UNDEFINED = 0xFFFFFFFF
_EXPLICIT = Struct("<I2sH").unpack_from
_IMPLICIT = Struct("<II").unpack_from
_LONG = Struct("<I").unpack_from
_SHORT_TEXT = "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US"
_SHORT_CODES = frozenset(map(str.encode, _SHORT_TEXT.split(" ")))
_LONG_CODES = frozenset(map(str.encode, ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]))
_CODES = frozenset(
    code.encode()
    for code in [
        "AE",
        "AS",
        "AT",
        "CS",
        "DA",
        "DS",
        "DT",
        "FD",
        "FL",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "SL",
        "SS",
        "ST",
        "TM",
        "UI",
        "UL",
        "US",
    ]
)
_LONG_CODES = frozenset(
    code.encode() for code in ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]
)
_CODES = _SHORT_CODES | _LONG_CODES
_TWO_LETTERS = 0x4141  # the least that two capital letters make of a length
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_ZEROS = bytes(8)
_ENDLESS = b"\xff\xff\xff\xff"
_ENDLESS_ITEM = b"\xfe\xff\0\xe0" + _ENDLESS
_ITEM_MARK, _ITEM_END_MARK, _SEQUENCE_MARK = 0xE000FFFE, 0xE00DFFFE, 0xE0DDFFFE
_LAST_GROUPS = 0x6000  # overlays, pixels, and the marks inside sequences
_PIXELS = frozenset((0x00107FE0, 0x00087FE0, 0x00097FE0))
_WHOLE_NUMBERS = 0x00107FE0  # the other two hold floating ones
_TRANSFER_SYNTAX = 0x00100002
_IMPLICIT_UID = b"1.2.840.10008.1.2"
_LEFT_TO_PYDICOM = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99")  # big endian; deflated
_PLAIN_TEXTS = (b"", b"ISO_IR 6", b"ISO_IR 100", b"ISO_IR 192")


class DamagedError(Exception):
    """Where an element belongs stand zeros, as in a copy that failed; pydicom would walk through all of them."""


class _UnusualError(Exception):
    """The file is for pydicom."""


def walk(path: Path) -> QuickHeader | None:
    """The header of an ordinary file with pixels, None for any other.

    Raises OSError when it cannot be read, and :class:`DamagedError` when it is full of zeros.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return _Walk(descriptor, wanted()).header()
    except (_UnusualError, IndexError, ValueError, OverflowError):
        return None
    finally:
        os.close(descriptor)


def _long(buffer: bytes, place: int, code: bytes) -> tuple[int, int]:
    """Start and length of a value whose length takes four bytes."""
    if code not in _LONG_CODES:
        raise DamagedError if buffer[place : place + 8] == _ZEROS else _UnusualError
    return place + 12, _LONG(buffer, place + 8)[0]


class _Walk:
    def __init__(self, descriptor: int, table: Wanted) -> None:
        self._descriptor, self._table = descriptor, table
        self._size = os.fstat(descriptor).st_size
        self._bytes = _read(descriptor, _FIRST)
        self._values: dict[str, bytes] = {}
        self._codes: dict[str, str] = {}

    def header(self) -> QuickHeader | None:
        """Meta group, then data set, up to the pixels."""
        if self._bytes[128:132] != b"DICM":
            return None
        place, syntax = self._meta()
        if syntax in _LEFT_TO_PYDICOM or not syntax:
            return None
        pixels = self._implicit(place) if syntax == _IMPLICIT_UID else self._explicit(place)
        # The empty keyword stands for a sequence that only pydicom reads.
        if "" in self._values or self._values.get("SpecificCharacterSet", b"").strip(b" \0") not in _PLAIN_TEXTS:
            return None
        return QuickHeader(self._values, self._codes, pixels)

    def _need(self, stop: int) -> bytes:
        """The file's beginning, at least its first ``stop`` bytes."""
        if stop > self._size or stop - len(self._bytes) > _LONGEST_STEP or stop > _LONGEST_HEADER:
            raise _UnusualError
        self._bytes = _read(self._descriptor, stop + max(_MORE, len(self._bytes)))
        if len(self._bytes) < stop:
            raise _UnusualError
        return self._bytes

    def _meta(self) -> tuple[int, bytes]:
        place, syntax, names = 132, b"", self._table.names
        while True:
            tag, code, length = _EXPLICIT(self._bytes, place)
            if tag & 0xFFFF != 2:
                return place, syntax
            place += 8
            if code in _LONG_CODES:
                length = _LONG(self._bytes, place)[0]
                place += 4
            elif code not in _SHORT_CODES:
                raise _UnusualError
            stop = place + length
            if stop + 12 > len(self._bytes):
                raise _UnusualError
            if tag in names:
                value = self._bytes[place:stop]
                self._values[names[tag]] = value
                if tag == _TRANSFER_SYNTAX:
                    syntax = value.rstrip(b"\0 ")
            place = stop

    def _explicit(self, place: int) -> PixelElement:
        # One flat loop over local names: it runs for every element of every file of a folder.
        names, expected, values = self._table.names, self._table.raw_codes, self._values
        buffer, size = self._bytes, len(self._bytes)
        while True:
            if place + 12 > size:
                buffer = self._need(place + 12)
                size = len(buffer)
            tag, code, length = _EXPLICIT(buffer, place)
            start = place + 8
            if code not in _SHORT_CODES:
                start, length = _long(buffer, place, code)
            if tag & 0xFFFF >= _LAST_GROUPS and not tag & 1:  # private groups are odd
                return self._last(tag, start, length, code.decode())
            if length == _UNDEFINED:
                if tag in names:
                    raise _UnusualError
                place = self._behind_sequence(start, code != b"UN")
                buffer, size = self._bytes, len(self._bytes)
                continue
            place = start + length
            if tag in names:
                if place > size:
                    buffer = self._need(place)
                    size = len(buffer)
                keyword = names[tag]
                values[keyword] = buffer[start:place]
                # Unknown values of known elements are those of the standard (PS3.5 6.2.2 note 3).
                if code != expected[keyword] and code != b"UN":
                    self._codes[keyword] = code.decode()

    def _implicit(self, place: int) -> PixelElement:
        names, values = self._table.names, self._values
        buffer, size = self._bytes, len(self._bytes)
        while True:
            if place + 8 > size:
                buffer = self._need(place + 8)
                size = len(buffer)
            tag, length = _IMPLICIT(buffer, place)
            start = place + 8
            if not tag:
                raise DamagedError
            if tag & 0xFFFF >= _LAST_GROUPS and not tag & 1:  # private groups are odd
                return self._last(tag, start, length, "OW")
            if length >= _TWO_LETTERS:
                # Two letters where a length belongs: the file is not in the encoding that its meta group says.
                if buffer[place + 4 : place + 6] in _CODES or (length == _UNDEFINED and tag in names):
                    raise _UnusualError
                if length == _UNDEFINED:
                    place = self._behind_sequence(start, False)
                    buffer, size = self._bytes, len(self._bytes)
                    continue
            place = start + length
            if tag in names:
                if place > size:
                    buffer = self._need(place)
                    size = len(buffer)
                keyword = names[tag]
                values[keyword] = buffer[start:place]

    def _behind_sequence(self, start: int, explicit: bool) -> int:
        """The place behind a sequence of undefined length.

        It ends at the next end mark, unless something else of undefined length than items lies before that: then
        items and their elements are stepped through.
        """
        found = self._bytes.find(_SEQUENCE_END, start)
        if found >= 0:
            endless = self._bytes.count(_ENDLESS, start, found)
            if endless == self._bytes.count(_ENDLESS_ITEM, start, found):
                return found + len(_SEQUENCE_END)
        return self._through_items(start, explicit)

    def _through_items(self, place: int, explicit: bool) -> int:
        while True:
            if place + 8 > len(self._bytes):
                self._need(place + 8)
            tag, length = _IMPLICIT(self._bytes, place)
            place += 8
            if tag == _SEQUENCE_MARK:
                return place
            if tag != _ITEM_MARK:
                raise _UnusualError
            place = self._through_item(place, explicit) if length == _UNDEFINED else place + length

    def _through_item(self, place: int, explicit: bool) -> int:
        while True:
            if place + 12 > len(self._bytes):
                self._need(place + 12)
            tag, length = _IMPLICIT(self._bytes, place)
            if tag == _ITEM_END_MARK:
                return place + 8
            start, code = place + 8, b"SQ"
            if explicit:
                _, code, length = _EXPLICIT(self._bytes, place)
                if code not in _SHORT_CODES:
                    start, length = _long(self._bytes, place, code)
            nested = explicit and code != b"UN"  # unknown values of undefined length are implicit inside
            place = self._through_items(start, nested) if length == _UNDEFINED else start + length

    def _last(self, tag: int, start: int, length: int, code: str) -> PixelElement:
        """The pixels, when ``tag`` is theirs; overlays and end marks that stand there make a file unusual."""
        if tag not in _PIXELS:
            raise _UnusualError
        return PixelElement(start, None if length == _UNDEFINED else length, code, self._size, tag != _WHOLE_NUMBERS)


def _read(descriptor: int, count: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, count)
