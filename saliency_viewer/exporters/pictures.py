"""Figures as PNG files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from saliency_viewer.domain import StatisticRow
from saliency_viewer.render import statistics_figure
from saliency_viewer.runtime.files import write_bytes

_COMPRESSION = 1  # five times faster than the default, files 5 to 9 % larger


def write_png(pixels: NDArray[np.uint8], path: Path) -> Path:
    """Write (row, column, 3) RGB or (row, column) grey values; no text chunks, no time stamp."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", compress_level=_COMPRESSION)
    write_bytes(path, stream.getvalue())
    return path


def write_summary_plot(rows: Sequence[StatisticRow], path: Path) -> Path:
    """Plot the statistics of all cases: what each region holds of the evidence, by method."""
    return write_png(statistics_figure(rows), path)
