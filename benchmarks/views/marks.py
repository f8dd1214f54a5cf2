"""Marks in radiographs: letters that a machine wrote into the pixels, found; lead letters, listed by eye."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BY_EYE = Path(__file__).with_name("marks_by_eye.csv")
_WHITE, _WHITEST = 240.0, 254.0  # of 255: what a machine writes is as bright as the file can be
_ABOVE = 0.3  # of the image's own span: how far letters stand out from what lies around them
_STROKE = 0.025  # of the side: no stroke of a letter is wider
_GAP = 0.004  # between the letters of a word
_HEIGHT, _WIDTH = (0.015, 0.06), (0.015, 0.2)  # of a letter or a word
_ROOM = 0.004  # around a mark, for its blurred edge

Mask = NDArray[np.bool_]


def written_marks(image: NDArray[np.float32], lungs: Mask) -> list[tuple[slice, slice]]:
    """Boxes of what was written into the picture, (row, column).

    Connected components outside the lungs that are as white as the file can be, that stand out from an opening wider
    than any stroke, and that have the size of a letter or a word.
    """
    side = max(image.shape)
    low, high = np.percentile(image, [0.5, 99.5])
    standing_out = image - ndimage.grey_opening(image, round(_STROKE * side))
    white = (image >= _WHITE) & (standing_out > _ABOVE * (high - low)) & ~lungs
    joined = ndimage.binary_dilation(white, iterations=max(1, round(_GAP * side)))
    boxes = ndimage.find_objects(ndimage.label(joined)[0])
    return [
        box
        for box in boxes
        if _fits(box[0], side, _HEIGHT) and _fits(box[1], side, _WIDTH) and image[box].max() >= _WHITEST
    ]


def listed_marks(name: str, shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Boxes, (row, column), of the marks of one image that were listed by eye."""
    with BY_EYE.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["file"] == name]
    return [
        tuple(
            slice(round(float(row[f"{axis}_from"]) * n), round(float(row[f"{axis}_to"]) * n))
            for axis, n in zip(("row", "column"), shape, strict=True)
        )
        for row in rows
    ]


def mark_mask(name: str, image: NDArray[np.float32], lungs: Mask) -> Mask:
    """Every mark of an image, with a little room around it, outside the lungs."""
    mask = np.zeros(image.shape, dtype=bool)
    for rows, columns in (*written_marks(image, lungs), *listed_marks(name, image.shape)):
        mask[rows, columns] = True
    return ndimage.binary_dilation(mask, iterations=max(1, round(_ROOM * max(image.shape)))) & ~lungs


def _fits(extent: slice, side: int, limits: tuple[float, float]) -> bool:
    return limits[0] <= (extent.stop - extent.start) / side <= limits[1]
