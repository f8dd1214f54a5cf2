"""Names and colours of segments as a user may see them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saliency_viewer.domain import REGION_COLOURS

_LONGEST = 64  # characters, the length of DICOM's SegmentLabel (LO)
_LISTED = 8
_WHITE = (0.95047, 1.0, 1.08883)  # D65
_TO_RGB = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))


def clean_name(text: object, otherwise: str) -> str:
    """A one-line name without control characters; ``otherwise`` when nothing is left."""
    words = "".join(letter if letter.isprintable() else " " for letter in str(text or ""))
    return " ".join(words.split())[:_LONGEST].strip() or otherwise


def listed(names: Sequence[str]) -> str:
    """The names in one sentence, the last ones of many only counted."""
    shown = ", ".join(names[:_LISTED])
    return f"{shown} and {len(names) - _LISTED} more" if len(names) > _LISTED else shown


def of_mask(words: Sequence[str]) -> tuple[str, ...]:
    """What a reader of images says about "the file", where the image's own file is spoken of too."""
    return tuple(one.replace("The file", "The mask file", 1) for one in words)


def palette(position: int) -> str:
    """The colour of the region at ``position`` when its file has none."""
    return REGION_COLOURS[position % len(REGION_COLOURS)]


def hex_colour(parts: Sequence[float], otherwise: str) -> str:
    """``#RRGGBB`` of three numbers 0..1; ``otherwise`` when they are no colour."""
    if len(parts) != 3 or not np.isfinite(parts).all():
        return otherwise
    return "#" + "".join(f"{round(255 * min(max(float(part), 0.0), 1.0)):02X}" for part in parts)


def lab_colour(values: Sequence[float], otherwise: str) -> str:
    """``#RRGGBB`` of a RecommendedDisplayCIELabValue (three unsigned 16-bit numbers, PS3.3 C.10.7.1.1).

    The white point is D65, as in dcmtk, PixelMed and highdicom, so that colours come back as they were chosen.
    """
    if len(values) != 3 or not np.isfinite(values).all():
        return otherwise
    lightness, a, b = values[0] * 100 / 65535, values[1] * 255 / 65535 - 128, values[2] * 255 / 65535 - 128
    middle = (lightness + 16) / 116
    roots = np.array([middle + a / 500, middle, middle - b / 200])
    # CIE 15: cubes above 6/29, a straight line below.
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * _WHITE
    linear = np.clip(np.array(_TO_RGB) @ xyz, 0, 1)
    return hex_colour(np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear).tolist(), "")
