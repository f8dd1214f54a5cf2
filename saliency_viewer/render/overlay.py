"""Map values over image pixels. The window and the exported files call the same functions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.render.colours import HIDDEN, LEVELS, level_colours
from saliency_viewer.render.style import MapStyle

_NARROWEST = 1e-30


def map_levels(values2d: NDArray[np.floating], style: MapStyle) -> NDArray[np.uint8]:
    """Colour levels 0..254 of raw values; 255 where nothing is shown (NaN, or below the threshold).

    Values beyond the scale's ends take the end's colour, and the threshold looks at them clipped, so the
    negative part of a one-sided map counts as zero.
    """
    if style.is_empty:
        return np.full(values2d.shape, HIDDEN, dtype=np.uint8)
    # A scale of next to nothing (1e-40) has no width as float32.
    kind: type[np.floating[Any]] = np.float32 if style.high - style.low > _NARROWEST else np.float64
    clipped = np.clip(np.asarray(values2d, dtype=kind), kind(style.low), kind(style.high))
    # NaN compares false, so it is hidden at any threshold.
    hidden = ~(np.abs(clipped) >= style.cutoff) if style.cutoff > 0.0 else np.isnan(clipped)
    scale = (LEVELS - 1) / (style.high - style.low)
    # Subtract first: with ends far from zero the product would lose the digits that matter.
    clipped -= kind(style.low)
    clipped *= kind(scale)
    clipped += kind(0.5)
    np.clip(clipped, 0.0, LEVELS - 0.5, out=clipped)
    np.copyto(clipped, kind(HIDDEN), where=hidden)
    return np.asarray(clipped, dtype=np.uint8)


def map_colours(values2d: NDArray[np.floating], style: MapStyle) -> NDArray[np.uint8]:
    """(row, column, 4) uint8 RGBA: the map alone; alpha is the fade where a value is shown, else 0."""
    table = np.zeros((256, 4), dtype=np.uint8)
    table[:LEVELS, :3] = np.rint(level_colours(style.colours))
    table[:LEVELS, 3] = round(255 * style.fade)
    return np.asarray(table[map_levels(values2d, style)])


def overlay(picture: NDArray[np.uint8], values2d: NDArray[np.floating], style: MapStyle) -> NDArray[np.uint8]:
    """(row, column, 3) uint8 RGB of ``picture`` with the map over it.

    ``picture`` is grey (row, column) or RGB (row, column, 3). Each channel is
    (1 - fade) * image + fade * map, rounded, so a fade of 0.5 is the mean of the two; where the map is
    NaN or below the threshold the image stands unchanged.
    """
    return np.ascontiguousarray(overlay_rgba(picture, values2d, style)[..., :3])


def overlay_rgba(picture: NDArray[np.uint8], values2d: NDArray[np.floating], style: MapStyle) -> NDArray[np.uint8]:
    """:func:`overlay` as opaque (row, column, 4) RGBA, which a screen takes without another copy."""
    levels = map_levels(values2d, style)
    if picture.ndim == 2:
        return _look_up(_grey_table(style.colours, style.fade), picture, levels)
    out = np.full((*levels.shape, 4), 255, dtype=np.uint8)
    table = _channel_tables(style.colours, style.fade)
    for channel in range(3):
        out[..., channel] = table[channel][_codes(picture[..., channel], levels)]
    return out


def _codes(grey: NDArray[np.uint8], levels: NDArray[np.uint8]) -> NDArray[np.intp]:
    codes = grey.astype(np.intp)
    codes <<= 8
    codes |= levels
    return codes


def _look_up(table: NDArray[np.uint32], grey: NDArray[np.uint8], levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pixels = table.take(_codes(grey, levels))
    return pixels.view(np.uint8).reshape(*levels.shape, 4)


@lru_cache(maxsize=8)
def _grey_table(colours: str, fade: float) -> NDArray[np.uint32]:
    """(65536,) pixels for grey * 256 + level: four bytes R, G, B, 255 in memory order."""
    pixels = np.full((65536, 4), 255, dtype=np.uint8)
    pixels[:, :3] = _channel_tables(colours, fade).T
    return pixels.view(np.uint32).reshape(-1)


@lru_cache(maxsize=8)
def _channel_tables(colours: str, fade: float) -> NDArray[np.uint8]:
    """(3, 65536) blended red, green and blue for image * 256 + level."""
    image = np.arange(256.0)[:, None]
    tables = np.empty((3, 256, 256), dtype=np.uint8)
    for channel in range(3):
        mixed = (1.0 - fade) * image + fade * level_colours(colours)[:, channel]
        tables[channel, :, :LEVELS] = np.floor(mixed + 0.5)
        tables[channel, :, HIDDEN] = image[:, 0]
    return tables.reshape(3, 65536)
