"""Drawing on a page: text, pictures, outlines and colour bars with Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFont

from saliency_viewer.render.colours import level_colours
from saliency_viewer.render.style import MapStyle

BACKGROUND = "#12161B"
FRAME = "#000000"
LINE = "#262C35"
TEXT = "#E6E9EE"
SECONDARY = "#AEB7C2"
MUTED = "#8590A0"
NOTICE = "#EDBE5C"

_TITLE_SIZES = (18, 16, 14, 12)
OUTLINE_WIDTH = 2
OUTLINE_FILL = 0.08
_SMOOTHING = 2  # outlines are drawn at this multiple and reduced, since Pillow's lines have hard edges


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along, so figures look alike on every computer."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


@dataclass(frozen=True)
class Box:
    """A rectangle on the page, pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """One past the last column."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """One past the last row."""
        return self.top + self.height


class Page:
    """A dark page that is filled piece by piece."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (width, height), BACKGROUND)
        self._draw = ImageDraw.Draw(self.image)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(row, column, 3) uint8 RGB."""
        return np.array(self.image)

    def text(
        self, x: float, y: float, words: str, size: int = 13, colour: str = TEXT, bold: bool = False, anchor: str = "la"
    ) -> None:
        """Write ``words``; ``anchor`` as in Pillow ("la": x is the left and y the top of the letters)."""
        self._draw.text((x, y), words, fill=colour, font=font(size, bold), anchor=anchor)

    def title(self, x: float, y: float, words: str, width: int) -> None:
        """Write a title, smaller when it would not fit into ``width`` pixels, and cut as the last resort."""
        size = next((n for n in _TITLE_SIZES if font(n, True).getlength(words) <= width), _TITLE_SIZES[-1])
        self.text(x, y, shortened(words, width, size, True), size, bold=True)

    def rectangle(self, box: Box, fill: str) -> None:
        """A filled rectangle."""
        self._draw.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=fill)

    def picture(self, pixels: NDArray[np.uint8], box: Box) -> None:
        """Scale grey or RGB ``pixels`` into ``box``, linearly and with an area mean when it shrinks."""
        image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
        self.image.paste(image.resize((box.width, box.height), Image.Resampling.BILINEAR), (box.left, box.top))

    def outline(
        self,
        polygons: Sequence[NDArray[np.float64]],
        mask: NDArray[np.generic],
        colour: str,
        box: Box,
        width: int = OUTLINE_WIDTH,
    ) -> None:
        """Draw closed polygons, (n, 2) as (x, y) inside ``box``, and fill ``mask``, their pixels, faintly."""
        line = Image.new("L", (box.width * _SMOOTHING, box.height * _SMOOTHING))
        draw = ImageDraw.Draw(line)
        for polygon in polygons:
            points = [(float(x), float(y)) for x, y in polygon * _SMOOTHING]
            draw.line(points, fill=255, width=width * _SMOOTHING, joint="curve")
        inside = Image.fromarray(np.where(mask, round(255 * OUTLINE_FILL), 0).astype(np.uint8))
        faint = inside.resize((box.width, box.height), Image.Resampling.NEAREST)
        alpha = ImageChops.lighter(line.reduce(_SMOOTHING), faint)
        self.image.paste(Image.new("RGB", alpha.size, colour), (box.left, box.top), alpha)

    def letters(self, letters: tuple[str, str, str, str], box: Box) -> None:
        """Sides of the patient at the (left, right, top, bottom) edges of a picture."""
        middle_x, middle_y = box.left + box.width / 2, box.top + box.height / 2
        places = (
            (box.left + 8, middle_y, "lm"),
            (box.right - 8, middle_y, "rm"),
            (middle_x, box.top + 8, "ma"),
            (middle_x, box.bottom - 8, "md"),
        )
        for letter, (x, y, anchor) in zip(letters, places, strict=True):
            self._draw.text(
                (x, y), letter, fill=TEXT, font=font(14, True), anchor=anchor, stroke_width=2, stroke_fill="#000000"
            )

    def colour_bar(self, style: MapStyle, box: Box) -> None:
        """A bar with its ends' raw values or shares (and zero in the middle of a two-sided one) to its right."""
        if style.is_empty:
            self.text(box.left, box.top, "no evidence", 11, MUTED)
            return
        ramp = np.rint(level_colours(style.colours)[::-1, None, :]).astype(np.uint8)
        self.picture(np.repeat(ramp, 2, axis=1), box)
        x, (low, high) = box.right + 6, style.end_words(number)
        self.text(x, box.top, high, 11, SECONDARY, anchor="lt")
        self.text(x, box.bottom, low, 11, SECONDARY, anchor="ls")
        if style.low < 0 < style.high:
            self.text(x, box.top + box.height * style.high / (style.high - style.low), "0", 11, SECONDARY, anchor="lm")


def number(value: float) -> str:
    """A raw value in few characters, with a true minus sign."""
    return f"{value:.2g}".replace("-", "−")


def shortened(words: str, width: int, size: int, bold: bool = False) -> str:
    """``words``, cut with an ellipsis so that they fit into ``width`` pixels."""
    letters = font(size, bold)
    if letters.getlength(words) <= width:
        return words
    while words and letters.getlength(words + "…") > width:
        words = words[:-1]
    return words.rstrip() + "…"
