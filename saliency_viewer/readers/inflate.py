"""Packed bytes, unpacked into a buffer that the caller has: never more of them than fit."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO

_CHUNK = 1 << 18  # bytes of the file at a time
_MOST = 1 << 19  # bytes unpacked at a time; larger ones are no faster
_MOST_MEMBERS = 200_000  # blocked gzip needs 131,000 for 8 GiB; millions of empty ones are there to waste time
_GZIP_MARK = b"\x1f\x8b"
_GZIP, _ZLIB = 31, 15  # zlib's wbits (RFC 1952 and RFC 1950)


def _engine_module() -> Any:
    """ISA-L, which unpacks twice as fast, where there is a build of it; else the standard library's zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


class Inflater:
    """A gzip file (of any number of members) or a zlib stream, read from its present position.

    Whatever the engine raises on damaged data (``zlib.error`` or ISA-L's own) passes through.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._module = _engine_module()
        self._engine: Any = None
        self._pending = b""
        self._members = 0

    def readinto(self, view: memoryview) -> int:
        """Fill ``view`` (bytes); less than its length only where the data ends."""
        done = 0
        while done < len(view):
            piece = self._next(len(view) - done)
            if not piece:
                break
            view[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def skip(self, count: int) -> int:
        """Unpack ``count`` bytes for nothing; how many there were."""
        scratch, left = memoryview(bytearray(min(count, 1 << 20))), count
        while left:
            found = self.readinto(scratch[: min(left, len(scratch))])
            if not found:
                break
            left -= found
        return count - left

    def finish(self) -> None:
        """Look at what follows the last byte wanted: there the engine compares the checksum."""
        self._next(1)

    def _next(self, most: int) -> bytes:
        while True:
            if not self._pending:
                self._pending = self._stream.read(_CHUNK)
            if self._engine is None and not self._begin():
                return b""
            ended = not self._pending
            # An engine that is asked for little may keep more inside: at the end it gives that without new input.
            found: bytes = self._engine.decompress(self._pending, min(most, _MOST))
            self._pending = self._engine.unconsumed_tail
            if self._engine.eof:
                self._pending, self._engine = self._engine.unused_data, None
            if found or (ended and self._engine is not None):
                return found

    def _begin(self) -> bool:
        """Start the first or the next member; False at the end or before padding."""
        packed = self._pending[:2] == _GZIP_MARK
        if not self._pending or (self._members and not packed):
            return False
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise ValueError("members")
        self._engine = self._module.decompressobj(_GZIP if packed else _ZLIB)
        return True
