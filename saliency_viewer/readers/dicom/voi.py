"""Windows and tables that a file offers for showing its values (PS3.3 C.11.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from saliency_viewer.domain.display import VoiFunction, Window
from saliency_viewer.readers.dicom.forms import lut_entries, macro
from saliency_viewer.readers.dicom.header import BIG_ENDIAN, items, numbers, text, transfer_syntax

_NARROWEST = 1e-6
_FARTHEST = 1e9
_FUNCTIONS: dict[str, VoiFunction] = {"LINEAR_EXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"}


def windows_of(dataset: Any, frame: int, below_zero: bool) -> tuple[Window, ...]:
    """Windows, then tables, of one frame; a table stands first when there is no window.

    ``below_zero`` says whether modality values can be negative, since a table's first value is written without a sign.
    """
    for source in (macro(dataset, frame, "FrameVOILUTSequence"), dataset):
        found = _windows(source)
        if found:
            break
    return (*found, *_tables(dataset, below_zero))


def _windows(source: Any) -> tuple[Window, ...]:
    centres, widths = numbers(source, "WindowCenter"), numbers(source, "WindowWidth")
    said = text(source, "VOILUTFunction").upper()
    names = text(source, "WindowCenterWidthExplanation").split("\\")
    found = []
    for k, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        if not _NARROWEST <= width < _FARTHEST or abs(centre) > _FARTHEST:
            continue
        function = _FUNCTIONS.get(said, "LINEAR" if width >= 1 else "LINEAR_EXACT")
        found.append(Window(centre, width, function, names[k] if k < len(names) else ""))
    return tuple(found)


def _tables(dataset: Any, below_zero: bool) -> tuple[Window, ...]:
    found = []
    for item in items(dataset, "VOILUTSequence"):
        read = lut_entries(item, below_zero, transfer_syntax(dataset) == BIG_ENDIAN)
        if read is None:
            continue
        first, entries, bits = read
        greys = np.rint(np.minimum(entries, 2**bits - 1) * (255.0 / (2**bits - 1))).astype(np.uint8)
        count = len(greys)
        found.append(
            Window(first + count / 2 - 0.5, float(count), "TABLE", text(item, "LUTExplanation"), greys.tobytes())
        )
    return tuple(found)
