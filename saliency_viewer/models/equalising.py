"""Histogram equalisation, of a whole image and by tiles, as OpenCV does it but without its rounding to whole greys.

Values are sorted into levels of equal width over the interval they can lie in; the result lies in the same interval.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]  # (channel, slice, row, column)
Pointwise = Callable[[Values], Values]
Interval = tuple[float, float]


def equalised(values: Values, interval: Interval, bins: int) -> Pointwise:
    """The function that spreads the greys of ``values`` evenly (``cv2.equalizeHist``), each channel by itself."""
    levels = _levels(values, interval, bins)
    tables = [_even_table(np.bincount(channel.reshape(-1), minlength=bins)) for channel in levels]

    def apply(v: Values) -> Values:
        places = _levels(v, interval, bins)
        shares = np.stack([tables[min(k, len(tables) - 1)][channel] for k, channel in enumerate(places)])
        return _spread(shares, interval)

    return apply


def _even_table(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Level to share (0..1) of the interval: the cumulated counts without those of the darkest level in use."""
    darkest = counts[np.flatnonzero(counts)[0]]
    rest = counts.sum() - darkest
    if not rest:  # one grey everywhere stays that grey
        return np.linspace(0.0, 1.0, len(counts))
    return np.asarray(np.maximum(np.cumsum(counts) - darkest, 0) / rest, dtype=np.float64)


def equalised_by_tiles(values: Values, interval: Interval, bins: int, tiles: tuple[int, int], clip: float) -> Pointwise:
    """Contrast-limited adaptive equalisation (``cv2.createCLAHE``) of the slices of ``values``.

    ``tiles`` are how many along (row, column), ``clip`` is the limit in multiples of an even histogram, 0 for none. The
    function takes the very slices that it was fitted to.
    """
    count = (values.shape[2] + -values.shape[2] % tiles[0], values.shape[3] + -values.shape[3] % tiles[1])
    tables = [_tile_tables(plane, count, bins, tiles, clip) for plane in _planes(_levels(values, interval, bins))]
    height, width = count[0] // tiles[0], count[1] // tiles[1]

    def apply(v: Values) -> Values:
        planes = _planes(_levels(v, interval, bins))
        shares = [_between(plane, table, height, width) for plane, table in zip(planes, tables, strict=True)]
        return _spread(np.stack(shares).reshape(v.shape), interval)

    return apply


def _tile_tables(
    plane: NDArray[np.int64], size: tuple[int, int], bins: int, tiles: tuple[int, int], clip: float
) -> NDArray[np.float64]:
    """(tile row, tile column, bins): level to share for each tile; the image is mirrored up to whole tiles."""
    more = [(0, new - old) for new, old in zip(size, plane.shape, strict=True)]
    whole = np.pad(plane, more, mode="reflect" if min(plane.shape) > 1 else "edge")
    height, width = size[0] // tiles[0], size[1] // tiles[1]
    blocks = whole.reshape(tiles[0], height, tiles[1], width).transpose(0, 2, 1, 3).reshape(*tiles, height * width)
    limit = max(int(clip * height * width / bins), 1) if clip > 0 else height * width
    tables = [[_limited(np.bincount(block, minlength=bins), limit) for block in row] for row in blocks]
    return np.cumsum(np.asarray(tables), axis=2) / (height * width)


def _limited(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """What stands above the limit is spread over all levels, the rest of it at even distances."""
    bins, above = len(counts), int(np.maximum(counts - limit, 0).sum())
    counts = np.minimum(counts, limit) + above // bins
    rest = above % bins
    if rest:
        counts[:: max(bins // rest, 1)][:rest] += 1
    return counts


def _between(plane: NDArray[np.int64], tables: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Every pixel between the tables of the four tiles whose centres are nearest."""
    rows, columns = (np.arange(n) / size - 0.5 for n, size in zip(plane.shape, (height, width), strict=True))
    down, right = (np.floor(axis).astype(np.int64) for axis in (rows, columns))
    low, left = (rows - down)[:, None], (columns - right)[None, :]
    last = tables.shape[0] - 1, tables.shape[1] - 1

    def of_tile(below: int, beside: int) -> NDArray[np.float64]:
        tile_rows = np.clip(down + below, 0, last[0])[:, None]
        return tables[tile_rows, np.clip(right + beside, 0, last[1])[None, :], plane]

    upper = of_tile(0, 0) * (1 - left) + of_tile(0, 1) * left
    return np.asarray(upper * (1 - low) + (of_tile(1, 0) * (1 - left) + of_tile(1, 1) * left) * low)


def _planes(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    return levels.reshape(-1, *levels.shape[2:])


def _levels(values: Values, interval: Interval, bins: int) -> NDArray[np.int64]:
    low, width = interval[0], (interval[1] - interval[0]) or 1.0
    return np.asarray(np.clip(np.rint((values - low) * ((bins - 1) / width)), 0, bins - 1), dtype=np.int64)


def _spread(shares: NDArray[np.float64], interval: Interval) -> Values:
    return (interval[0] + shares * (interval[1] - interval[0])).astype(np.float32)
