"""Bytes of an element to what pydicom makes of them, kept for the next file, which mostly holds the same bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "US or SS": "H"}
_TEXT_OF_ONE = ("ST", "LT", "UT", "UR")
_MANY = ("CS", "LO", "SH", "PN", "UI", "DA", "TM", "DT", "AE", "AS", "UC")


@lru_cache(maxsize=8192)
def converted(code: str, raw: bytes, utf8: bool = False) -> Any:
    """Value of an element: str or tuple of str, int, float or tuple of them, bytes for anything else."""
    if code in _FORMATS:
        size = struct.calcsize(_FORMATS[code])
        return _one_or_all(struct.unpack(f"<{len(raw) // size}{_FORMATS[code]}", raw[: len(raw) // size * size]))
    if code in ("DS", "IS"):
        return _one_or_all(tuple(part.strip(" \0") for part in raw.decode("latin-1").split("\\")))
    if code in _TEXT_OF_ONE or code in _MANY:
        text = raw.decode("utf-8", "replace") if utf8 else raw.decode("latin-1")
        parts = (text,) if code in _TEXT_OF_ONE else tuple(text.split("\\"))
        return _one_or_all(tuple(part.strip(" \0") for part in parts))
    return raw


def _one_or_all(values: tuple[Any, ...]) -> Any:
    return values[0] if len(values) == 1 else values


@lru_cache(maxsize=8192)
def text_of(code: str, raw: bytes, utf8: bool = False) -> str:
    """The value as one text."""
    return joined_text(converted(code, raw, utf8))


@lru_cache(maxsize=8192)
def numbers_of(code: str, raw: bytes) -> tuple[float, ...]:
    """The value's numbers."""
    return finite_numbers(converted(code, raw))


def joined_text(value: Any) -> str:
    """A header's value as one text: several values joined by backslashes, padding removed, empty for bytes."""
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, str) or not isinstance(value, Sequence):  # a person's name is no sequence, though it iterates
        return str(value).strip(" \0")
    return "\\".join(str(item).strip(" \0") for item in value)


def finite_numbers(value: Any) -> tuple[float, ...]:
    """A header's value as numbers; empty when it is empty, or one of them is no finite number."""
    if value is None or isinstance(value, bytes) or value == "":
        return ()
    items = (value,) if isinstance(value, str) or not isinstance(value, Sequence) else value
    try:
        found = tuple(float(item) for item in items)
    except (TypeError, ValueError, OverflowError):
        return ()
    return found if all(map(math.isfinite, found)) else ()
