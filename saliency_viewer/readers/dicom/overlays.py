"""Graphics that a file draws over its image (PS3.3 C.9.2, and the retired ones in unused bits of the pixels)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.forms import PixelForm
from saliency_viewer.readers.dicom.header import BIG_ENDIAN, transfer_syntax
from saliency_viewer.readers.dicom.quick_header import QuickHeader
from saliency_viewer.readers.dicom.tags import OVERLAY_GROUPS
from saliency_viewer.readers.dicom.values import finite_numbers

_MOST_BITS = 2**31


@dataclass(frozen=True, eq=False)
class Overlay:
    """One overlay plane.

    ``mask`` (frames, row, column) booleans, its first pixel at ``origin`` (row, column) of the image and its first
    frame at the image's ``first`` frame; None where the ``bit`` of the pixels holds it.
    """

    mask: NDArray[np.bool_] | None
    origin: tuple[int, int] = (0, 0)
    first: int = 0
    bit: int = 0

    def on(self, frame: int, shape: tuple[int, int], raw: NDArray[Any]) -> NDArray[np.bool_] | None:
        """(row, column) of one frame, None where it draws nothing; ``raw`` are the pixels with all their bits."""
        if self.mask is None:
            return np.asarray((raw >> self.bit) & 1, dtype=bool) if raw.dtype.kind in "iu" else None
        place = frame - self.first if len(self.mask) > 1 else 0
        if not 0 <= place < len(self.mask):
            return None
        drawn = np.zeros(shape, dtype=bool)
        top, left = self.origin
        part = self.mask[place][max(0, -top) :, max(0, -left) :]
        part = part[: max(0, shape[0] - max(0, top)), : max(0, shape[1] - max(0, left))]
        drawn[max(0, top) : max(0, top) + part.shape[0], max(0, left) : max(0, left) + part.shape[1]] = part
        return drawn


def overlays_of(dataset: Any) -> tuple[Overlay, ...]:
    """All overlay planes of a header; damaged ones are left out."""
    if isinstance(dataset, QuickHeader):  # a quick header is one without overlays
        return ()
    found = (_overlay(dataset, group << 16) for group in OVERLAY_GROUPS if (group << 16 | 0x0010) in dataset)
    return tuple(one for one in found if one is not None)


def _overlay(dataset: Any, group: int) -> Overlay | None:
    rows, columns = (_number(dataset, group | element, 0) for element in (0x0010, 0x0011))
    frames, first = _number(dataset, group | 0x0015, 1), _number(dataset, group | 0x0051, 1)
    allocated, bit = _number(dataset, group | 0x0100, 1), _number(dataset, group | 0x0102, 0)
    if (group | 0x3000) not in dataset:
        spare = 0 <= bit < allocated <= 16 and not _holds_values(dataset, bit)
        return Overlay(None, bit=bit) if allocated > 1 and spare else None
    bits = rows * columns * max(1, frames)
    raw = dataset[group | 0x3000].value
    if rows < 1 or columns < 1 or bits > _MOST_BITS or not isinstance(raw, bytes) or len(raw) * 8 < bits:
        return None
    if transfer_syntax(dataset) == BIG_ENDIAN and len(raw) % 2 == 0:
        raw = np.frombuffer(raw, "u2").byteswap().tobytes()  # sixteen bits a word
    drawn = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=bits, bitorder="little")
    origin = _numbers(dataset, group | 0x0050) or (1, 1)
    place = (origin[0] - 1, origin[1] - 1) if len(origin) == 2 else (0, 0)
    return Overlay(drawn.reshape(-1, rows, columns).astype(bool), place, max(0, first - 1))


def _holds_values(dataset: Any, bit: int) -> bool:
    form = PixelForm.of(dataset)
    return form.high_bit - form.stored < bit <= form.high_bit


def _number(dataset: Any, tag: int, default: int) -> int:
    found = _numbers(dataset, tag)
    return found[0] if found else default


def _numbers(dataset: Any, tag: int) -> tuple[int, ...]:
    try:
        return tuple(map(int, finite_numbers(dataset[tag].value))) if tag in dataset else ()
    except Exception:  # a value that pydicom cannot convert
        return ()
