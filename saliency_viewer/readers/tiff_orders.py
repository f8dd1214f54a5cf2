"""Byte orders of TIFF numbers that Pillow does not know or mistakes."""

from __future__ import annotations

import re
from typing import Any


def teach_orders(table: Any) -> None:
    """Add to ``TiffImagePlugin.OPEN_INFO`` the kinds of grey that Pillow knows in one byte order only."""
    table.setdefault((b"MM", 0, (1,), 1, (16,), ()), ("I;16B", "I;16B"))
    table.setdefault((b"MM", 1, (1,), 1, (32,), ()), ("I", "I;32B"))


def expect_native(picture: Any) -> None:
    """Make Pillow take compressed numbers in this machine's byte order, in which libtiff hands them over.

    Pillow allows for that with 16 unsigned bits, and expects the file's order of all other numbers.
    """
    if len(picture.tile) == 1 and picture.tile[0][0] == "libtiff" and picture.mode in ("I", "F"):
        tile = picture.tile[0]
        raw = re.sub(r";(\d+)B?(S|F|)$", r";\1N\2", tile[3][0])
        again = getattr(type(tile), "_make", tuple)  # older Pillows have plain tuples
        picture.tile = [again((*tile[:3], (raw, *tile[3][1:])))]
