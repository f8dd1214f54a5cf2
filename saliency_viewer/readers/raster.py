"""Photographs and exported pictures: PNG, JPEG, TIFF, BMP, WebP, JPEG 2000. No millimetres, no sides.

What a file says about its resolution (pHYs, JFIF, TIFF tags) is about paper and screens, never about the patient.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import Series, Study, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers.pictures import MOST_PAGES, Page, copied, opened, pages
from saliency_viewer.readers.single import one_series
from saliency_viewer.readers.values import luminance
from saliency_viewer.readers.voxels import MOST_BYTES
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry

__all__ = ["ENDINGS", "RasterReader", "label_picture", "luminance", "picture_array"]

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".webp", ".jp2", ".j2k", ".jpx", ".j2c", ".gif")


class RasterReader:
    """Values are those of the file: 0..255, or 0..65535 for 16-bit pictures."""

    name = "Picture"

    def accepts(self, path: Path) -> bool:
        """By file name."""
        return path.suffix.lower() in ENDINGS and path.is_file()

    def open(self, path: Path, context: RunContext) -> Study:
        """One series of one slice; of a TIFF a series for every run of pages of one size and kind."""
        found = pages(path)
        groups = _groups(found)
        series: list[Series] = []
        for position, group in enumerate(groups):
            study = _study(path, group)
            part = f" · part {position + 1} of {len(groups)}" if len(groups) > 1 else ""
            for one in study.series:
                uid = one.uid if not position else f"{one.uid}#{position + 1}"
                series.append(replace(one, uid=uid, number=position + 1, description=one.description + part))
        return Study(str(path), tuple(series), uid=series[0].uid)


def _groups(found: list[Page]) -> list[list[Page]]:
    groups: dict[tuple[object, ...], list[Page]] = {}
    for page in found:
        groups.setdefault(page.likeness, []).append(page)
    return list(groups.values())


def _study(path: Path, group: list[Page]) -> Study:
    first = group[0]
    size = first.rows * first.columns * (4 if first.dtype is None else first.dtype.itemsize)
    if size * len(group) > MOST_BYTES:
        raise UserError("The pages of the picture are too many for one stack.", "Save them in several files.")
    geometry = Geometry.from_spacing((len(group), first.rows, first.columns))
    geometry = replace(geometry, through_space=len(group) == 1, located=False)
    warnings: tuple[str, ...] = ()
    if first.shrunk:
        warnings += ("The picture has 16 bits in each colour; 8 of them are shown.",)
    if group[-1].number >= MOST_PAGES - 1:
        warnings += (f"Of the file's pages the first {MOST_PAGES} are read.",)
    return one_series(
        path,
        geometry,
        lambda context: _volume(path, group, geometry, warnings, context),
        modality="OT",
        description=f"{first.kind} picture" if len(group) == 1 else f"{first.kind} stack",
        encoding=first.kind,
        warnings=warnings,
    )


def picture_array(path: Path) -> NDArray[np.generic]:
    """(row, column) values of the first page, or (row, column, 3) uint8 colours; upright, transparent parts black."""
    page = pages(path)[0]
    with opened(path) as picture:
        return copied(picture, page)


def label_picture(path: Path) -> NDArray[np.generic]:
    """(row, column) labels: grey values, or the indices of a picture with a palette.

    Raises :class:`UserError` for a picture in colours, which could only be guessed at.
    """
    page = pages(path)[0]
    if page.mode == "P":
        page = replace(page, dtype=np.dtype(np.uint8))
    with opened(path) as picture:
        values = copied(picture, page)
    if values.ndim == 2:
        return values
    if not _grey(values):
        raise UserError(
            "The mask is a picture in colours, and colours are no labels.",
            "Save it in grey values, one for each region: 0 outside, 1, 2, ... inside.",
        )
    return values[..., 0]


def _volume(
    path: Path, group: list[Page], geometry: Geometry, warnings: tuple[str, ...], context: RunContext
) -> Volume:
    first = group[0]
    with opened(path) as picture:
        pixels = copied(picture, first)
        values = pixels[None] if len(group) == 1 else np.empty((len(group), *pixels.shape), pixels.dtype)
        values[0] = pixels
        for position, page in enumerate(group[1:], start=1):
            context.report(position / len(group), "Reading pages")
            values[position] = copied(picture, page)
    bounds = (0.0, first.top) if first.top else None
    if first.dtype is not None:
        return Volume(values, geometry, "OT", value_range=bounds, warnings=warnings)
    colour = values.astype(np.uint8, copy=False)
    # A grey picture saved as RGB is grey: three equal channels carry no colour.
    if _grey(colour):
        return Volume(np.ascontiguousarray(colour[..., 0]), geometry, "OT", value_range=bounds, warnings=warnings)
    return Volume(luminance(colour), geometry, "OT", value_range=bounds, colour=colour, warnings=warnings)


def _grey(colour: NDArray[np.generic]) -> bool:
    """Whether all three channels are equal."""
    return np.array_equal(colour[..., 0], colour[..., 1]) and np.array_equal(colour[..., 0], colour[..., 2])
