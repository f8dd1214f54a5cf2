"""Photographs and exported pictures: PNG, JPEG, TIFF, BMP. No millimetres, no sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Study, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers.single import one_series
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_MOST_PIXELS = 400_000_000  # more is a mistake or an attack, not a radiograph


class RasterReader:
    """Values are those of the file: 0..255, or 0..65535 for 16-bit pictures."""

    name = "Picture"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return path.is_file() and path.suffix.lower() in ENDINGS

    def open(self, path: Path, context: RunContext) -> Study:
        """One series of one slice."""
        columns, rows, kind = _describe(path)
        geometry = Geometry.from_spacing((1, rows, columns))
        return one_series(
            path,
            geometry,
            lambda _context: _volume(path, geometry),
            modality="OT",
            description=f"{kind} picture",
            encoding=kind,
        )


def _describe(path: Path) -> tuple[int, int, str]:
    """(columns, rows, format) after the camera's rotation."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            columns, rows = picture.size
            if picture.getexif().get(0x0112, 1) in (5, 6, 7, 8):
                columns, rows = rows, columns
            kind = picture.format or path.suffix.lstrip(".").upper()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise _damaged(error) from error
    if columns * rows > _MOST_PIXELS:
        raise UserError("The picture has too many pixels.", "Choose a smaller picture.", f"{columns} x {rows}")
    return columns, rows, kind


def picture_array(path: Path) -> NDArray[np.generic]:
    """(row, column) or (row, column, 3) uint8 or uint16; upright, without alpha."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            upright: Any = ImageOps.exif_transpose(picture)
            if upright.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I"):
                return np.asarray(upright).astype(np.uint16)
            if upright.mode == "F":
                return np.asarray(upright, dtype=np.float32)
            grey = upright.mode in ("1", "L", "LA", "La")
            return np.array(upright.convert("L" if grey else "RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _damaged(error) from error


def label_picture(path: Path) -> NDArray[np.generic]:
    """(row, column) labels: grey values, or the indices of a picture with a palette.

    Raises :class:`UserError` for a picture in colours, which could only be guessed at.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode == "P":
                return np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _damaged(error) from error
    values = picture_array(path)
    if values.ndim == 2:
        return values
    if not (np.array_equal(values[..., 0], values[..., 1]) and np.array_equal(values[..., 0], values[..., 2])):
        raise UserError(
            "The mask is a picture in colours, and colours are no labels.",
            "Save it in grey values, one for each region: 0 outside, 1, 2, ... inside.",
        )
    return values[..., 0]


def luminance(colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Rec. 601 luma of (..., 3) colours, rounded; equal channels keep their value exactly."""
    weighted: NDArray[np.float64] = colour[..., 0] * 0.299 + colour[..., 1] * 0.587 + colour[..., 2] * 0.114
    rounded: NDArray[np.uint8] = np.rint(weighted).astype(np.uint8)
    return rounded


def _volume(path: Path, geometry: Geometry) -> Volume:
    values = picture_array(path)
    top = 65535.0 if values.dtype == np.uint16 else 255.0
    bounds = None if values.dtype.kind == "f" else (0.0, top)
    if values.ndim == 2:
        return Volume(values[None], geometry, "OT", value_range=bounds)
    colour = values.astype(np.uint8)
    # A grey picture saved as RGB is grey: three equal channels carry no colour.
    if np.array_equal(colour[..., 0], colour[..., 1]) and np.array_equal(colour[..., 0], colour[..., 2]):
        return Volume(np.ascontiguousarray(colour[None, ..., 0]), geometry, "OT", value_range=bounds)
    return Volume(luminance(colour)[None], geometry, "OT", value_range=bounds, colour=colour[None])


def _damaged(error: Exception) -> UserError:
    return UserError("The picture is damaged or cut short.", "Copy it again from its source.", type(error).__name__)
