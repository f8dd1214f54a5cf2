"""Colour maps as tables of 256 steps."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.render.colour_data import INFERNO, RED_BLUE, VIRIDIS

ONE_SIDED = "inferno"
TWO_SIDED = "RdBu_r"
RANKS = "viridis"

_DATA = {ONE_SIDED: INFERNO, TWO_SIDED: RED_BLUE, RANKS: VIRIDIS}
COLOUR_MAPS = tuple(_DATA)

# A map value becomes one of 255 levels, an odd number so that zero of a symmetric scale is a level of
# its own, and the last of the 256 codes says "no colour here".
LEVELS = 255
HIDDEN = 255


@cache
def colour_table(name: str) -> NDArray[np.uint8]:
    """The (256, 3) uint8 RGB table of a colour map, lowest value first; read-only.

    Raises :class:`UserError` for an unknown name.
    """
    if name not in _DATA:
        raise UserError(f"There is no colour map '{name}'.", f"Choose one of: {', '.join(COLOUR_MAPS)}.")
    return np.frombuffer(bytes.fromhex(_DATA[name]), dtype=np.uint8).reshape(256, 3)


@cache
def level_colours(name: str) -> NDArray[np.float64]:
    """(255, 3) float64 RGB in 0..255 of the levels, lowest first; read-only."""
    table = colour_table(name).astype(np.float64)
    positions = np.linspace(0.0, 255.0, LEVELS)
    colours = np.column_stack([np.interp(positions, np.arange(256.0), table[:, channel]) for channel in range(3)])
    colours.setflags(write=False)
    return colours
