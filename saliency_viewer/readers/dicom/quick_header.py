"""What the fast walk found in an ordinary file's header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from saliency_viewer.readers.dicom.tags import wanted
from saliency_viewer.readers.dicom.values import converted, numbers_of, text_of


@dataclass(frozen=True)
class PixelElement:
    """Where a file's pixels start: byte offset, declared length (None: compressed pieces), VR, and the file's size.

    ``floating`` says that they are floating numbers.
    """

    start: int
    length: int | None
    code: str
    file_size: int
    floating: bool = False


class QuickHeader:
    """Values of one header by keyword, converted when asked for, as a pydicom dataset gives them."""

    __slots__ = ("_codes", "_standard", "_utf8", "_values", "pixels")

    def __init__(self, values: dict[str, bytes], codes: dict[str, str], pixels: PixelElement | None) -> None:
        # Bytes only: such dictionaries cost the garbage collector nothing, and there are thousands of them.
        self._values, self._codes, self.pixels = values, codes, pixels
        self._standard = wanted().codes
        self._utf8 = values.get("SpecificCharacterSet", b"").strip(b" \0") == b"ISO_IR 192"

    @property
    def file_meta(self) -> QuickHeader:
        """The meta group's values stand with the others."""
        return self

    def _code(self, keyword: str) -> str:
        """The value representation: the file's where it differs from the standard's."""
        own = self._codes.get(keyword) if self._codes else None
        return own or self._standard.get(keyword, "UN")

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._values

    def get(self, keyword: str, default: Any = None) -> Any:
        """The value: a text, a number, a tuple of them, or bytes; ``default`` when absent or empty."""
        found = self._values.get(keyword)
        return converted(self._code(keyword), found, self._utf8) if found else default

    def text(self, keyword: str) -> str:
        """The value as one text, several joined by backslashes; empty when absent."""
        found = self._values.get(keyword)
        return text_of(self._code(keyword), found, self._utf8) if found else ""

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """The value's numbers, empty when one of them is none."""
        found = self._values.get(keyword)
        return numbers_of(self._code(keyword), found) if found else ()
