"""How a file writes its pixels, and what its numbers mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.frames import frame_count
from saliency_viewer.readers.dicom.header import (
    BIG_ENDIAN,
    functional,
    items,
    number,
    numbers,
    shared_groups,
    text,
    transfer_syntax,
    value,
    whole,
)
from saliency_viewer.readers.dicom.quick_header import QuickHeader


@dataclass(frozen=True)
class PixelForm:
    """A file's pixel description module (PS3.3 C.7.6.3).

    ``stored`` bits of ``allocated`` ones hold a value, the highest of them is ``high_bit``. Impossible numbers are
    replaced by the nearest possible ones, since files with them are common and their pixels mostly right.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    high_bit: int
    signed: bool

    @classmethod
    def of(cls, dataset: Any) -> PixelForm:
        """The form that a header describes."""
        allocated = whole(dataset, "BitsAllocated", 16)
        stored = whole(dataset, "BitsStored", allocated)
        stored = stored if 0 < stored <= allocated else allocated
        high = whole(dataset, "HighBit", stored - 1)
        samples = max(1, whole(dataset, "SamplesPerPixel", 1))
        high = high if stored - 1 <= high < allocated else stored - 1
        return cls(
            whole(dataset, "Rows", 0),
            whole(dataset, "Columns", 0),
            frame_count(dataset),
            samples,
            text(dataset, "PhotometricInterpretation") or ("RGB" if samples == 3 else "MONOCHROME2"),
            allocated,
            stored,
            high,
            whole(dataset, "PixelRepresentation", 0) == 1,
        )

    @property
    def inverted(self) -> bool:
        """Whether a higher stored value is a darker one."""
        return self.photometric == "MONOCHROME1"

    @property
    def coloured(self) -> bool:
        """Whether pixels are colours, written as such or through a table."""
        return self.samples > 1 or self.photometric == "PALETTE COLOR"

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest value that the stored bits can hold."""
        if self.signed:
            return -(2 ** (self.stored - 1)), 2 ** (self.stored - 1) - 1
        return 0, 2**self.stored - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Little-endian type of one stored value of 8, 16, 32 or 64 allocated bits."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{max(1, self.allocated // 8)}")

    @property
    def plane_bytes(self) -> float:
        """Bytes of one uncompressed picture; colours at half resolution take two thirds."""
        part = 2 / 3 if self.photometric == "YBR_FULL_422" and self.samples == 3 else 1.0
        return self.rows * self.columns * self.samples * self.allocated * part / 8

    def clean(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Stored values of ``raw`` (native integers, changed in place): bits outside the stored ones are cleared.

        Old overlays and garbage live there. Signs are extended.
        """
        size = raw.dtype.itemsize * 8
        above = size - min(self.high_bit + 1, size)
        spare = size - min(self.stored, size)
        if spare == 0 or raw.dtype.kind not in "iu":
            return raw
        if raw.dtype.kind == "u" and above == spare:
            np.bitwise_and(raw, raw.dtype.type(2**self.stored - 1), out=raw)
            return raw
        np.left_shift(raw, above, out=raw)
        np.right_shift(raw, spare, out=raw)
        return raw

    def mirror(self, values: NDArray[Any]) -> NDArray[Any]:
        """Stored values of the MONOCHROME2 twin, in place: low + high - value; it wraps into the right number."""
        total = np.array(sum(self.limits)).astype(values.dtype)
        np.subtract(total, values, out=values)
        return values


@dataclass(frozen=True)
class Scale:
    """Modality value = ``slope`` x stored value + ``intercept``."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether whole numbers stay whole ones that a shift reaches."""
        return self.slope == 1.0 and float(self.intercept).is_integer() and abs(self.intercept) < 2**30

    def of(self, stored: float) -> float:
        """The modality value of one stored value."""
        return self.slope * stored + self.intercept


def macro(dataset: Any, frame: int, keyword: str) -> Any:
    """A functional group of one frame, its own or the shared one; an empty dictionary without."""
    groups = None if isinstance(dataset, QuickHeader) else value(dataset, "PerFrameFunctionalGroupsSequence")
    own = groups[frame] if groups is not None and frame < len(groups) else None
    return functional(own, shared_groups(dataset), keyword)


def scale_of(dataset: Any, frame: int) -> Scale:
    """Rescale slope and intercept of one frame; the grid scaling of a dose."""
    dose = number(dataset, "DoseGridScaling")
    if dose is not None and dose > 0 and text(dataset, "Modality") == "RTDOSE":
        return Scale(dose, 0.0)
    for source in (macro(dataset, frame, "PixelValueTransformationSequence"), dataset):
        slope = number(source, "RescaleSlope")
        if slope is not None and slope != 0 and abs(slope) < 1e30:
            return Scale(slope, number(source, "RescaleIntercept", 0.0) or 0.0)
    return Scale(1.0, number(dataset, "RescaleIntercept", 0.0) or 0.0)


@dataclass(frozen=True, eq=False)
class ModalityTable:
    """A modality LUT (PS3.3 C.11.1): ``entries`` float32, the first for the stored value ``first``."""

    first: int
    entries: NDArray[np.float32]
    top: float  # the largest value that an entry can have

    def look_up(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Entries of stored values; the ends serve for values beyond the table."""
        index = np.clip(values.astype(np.int64) - self.first, 0, len(self.entries) - 1)
        found: NDArray[np.float32] = self.entries[index]
        return found


def modality_table(dataset: Any) -> ModalityTable | None:
    """The file's modality table; None without one, or where a rescale says the same thing already."""
    item = next(iter(items(dataset, "ModalityLUTSequence")), None)
    if item is None or scale_of(dataset, 0) != Scale():
        return None
    found = lut_entries(item, PixelForm.of(dataset).signed, transfer_syntax(dataset) == BIG_ENDIAN)
    if found is None:
        return None
    first, entries, bits = found
    return ModalityTable(first, entries.astype(np.float32), float(2**bits - 1))


def lut_entries(item: Any, signed: bool, big_endian: bool = False) -> tuple[int, NDArray[np.uint16], int] | None:
    """(first mapped value, entries, bits of an entry) of a LUT item; None when it is damaged."""
    described = numbers(item, "LUTDescriptor")
    if len(described) != 3:
        return None
    count, first, bits = (int(one) for one in described)
    count = count % 65536 or 65536  # the 16 bits of the count cannot say 65,536
    first = first - 65536 if signed and first > 32767 else first
    raw = value(item, "LUTData")
    entries = _entries(raw, count, bits, ">u2" if big_endian else "<u2")
    return None if entries is None or not 1 <= bits <= 16 else (first, entries, bits)


def _entries(raw: Any, count: int, bits: int, wide: str) -> NDArray[np.uint16] | None:
    if isinstance(raw, bytes):
        narrow = bits <= 8 and len(raw) < 2 * count
        found = np.frombuffer(raw[: len(raw) // 2 * 2 if not narrow else None], "u1" if narrow else wide)
    else:
        try:
            found = np.array([int(one) & 0xFFFF for one in raw])
        except (TypeError, ValueError):
            return None
    return found[:count].astype(np.uint16) if 0 < count <= len(found) else None


def padding_of(dataset: Any, form: PixelForm) -> tuple[int, int] | None:
    """(low, high) stored values, both inclusive, that fill what was not imaged (PS3.3 C.7.5.1.1.2)."""
    first = number(dataset, "PixelPaddingValue")
    if first is None:
        return None
    last = number(dataset, "PixelPaddingRangeLimit", first)
    ends = sorted(_signed(int(one), form) for one in (first, last if last is not None else first))
    return ends[0], ends[1]


def _signed(found: int, form: PixelForm) -> int:
    """Implicit files do not say whether the element is signed; the pixels are what decides."""
    if form.signed and found > 32767:
        return found - 65536
    return found + 65536 if not form.signed and found < 0 else found
