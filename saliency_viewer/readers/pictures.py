"""Pillow, kept within bounds: which files it opens, how large, and how their pixels become arrays."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers.tiff_orders import expect_native, teach_orders

MOST_PIXELS = 400_000_000  # of one page; more is a mistake or an attack, not a radiograph
MOST_PAGES = 4096
_STRIP = 1 << 22  # pixels copied out of Pillow at a time
_WIDTH, _LENGTH = 256, 257
_FEW = 1 << 22  # pixels that no file is too small for
_COMPRESSION, _SUBSAMPLED = 259, 6
_BITS, _INTERPRETATION, _FORMAT, _TURN = 258, 262, 339, 274  # TIFF tags (TIFF 6.0); the last is also EXIF's
_UNSIGNED, _SIGNED = 1, 2
# exif_transpose's turns for arrays (row, column, ...).
_UPRIGHT: dict[int, Any] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@dataclass(frozen=True)
class Page:
    """One picture of a file: its place in it, upright size, Pillow's mode, and what the values are.

    ``dtype`` is None for colours; ``top`` the largest value of the encoding, 0 where it has none; ``inverted`` means
    that zero is white; ``shrunk`` that Pillow takes 16-bit channels down to 8.
    """

    number: int
    rows: int
    columns: int
    mode: str
    kind: str
    dtype: np.dtype[Any] | None
    top: float
    inverted: bool
    shrunk: bool

    @property
    def likeness(self) -> tuple[object, ...]:
        """What pages of one stack have in common."""
        return self.rows, self.columns, self.mode, self.dtype, self.inverted


def pages(path: Path) -> list[Page]:
    """Every picture in the file from its headers. Raises :class:`UserError` when there is none or it is too large."""
    with opened(path) as picture:
        size = path.stat().st_size
        found = [_page(picture, 0, size)]
        # Other formats hide previews and animations behind their first picture.
        while picture.format == "TIFF" and len(found) < MOST_PAGES:
            try:
                picture.seek(len(found))
            except EOFError:
                break
            found.append(_page(picture, len(found), size))
        return found


def copied(picture: Any, page: Page) -> NDArray[np.generic]:
    """(row, column) values or (row, column, 3) uint8 colours of ``page``, upright, transparent parts black.

    In strips: Pillow's own conversions would hold the whole picture three times.
    """
    if page.number or picture.format == "TIFF":
        picture.seek(page.number)
    expect_native(picture)
    picture.load()
    # Of TIFF files Pillow has turned the pixels by now, and taken the tag away.
    turn = _turn(picture)
    columns, rows = picture.size
    shape = (rows, columns) if page.dtype is not None else (rows, columns, 3)
    result: NDArray[np.generic] = np.empty(shape, page.dtype or np.uint8)
    step = max(1, _STRIP // max(1, columns))
    for top in range(0, rows, step):
        strip = picture.crop((0, top, columns, min(rows, top + step)))
        result[top : top + step] = _strip(strip, page)
    upright = np.ascontiguousarray(_UPRIGHT.get(turn, lambda a: a)(result))
    if upright.shape[:2] != (page.rows, page.columns):
        raise ValueError("size")
    return upright


def _strip(strip: Any, page: Page) -> NDArray[np.generic]:
    if page.dtype is None:
        if strip.mode in ("RGBA", "RGBa", "PA") or (strip.mode == "P" and "transparency" in strip.info):
            return _over_black(strip.convert("RGBA"))
        return np.asarray(strip.convert("RGB"))
    if strip.mode in ("LA", "La"):
        both = np.asarray(strip.convert("LA")).astype(np.uint16)
        return np.asarray((both[..., 0] * both[..., 1] + 127) // 255).astype(np.uint8)
    values = np.asarray(strip.convert("L") if strip.mode == "1" else strip)
    # Pillow widens to int32 and takes unsigned 32-bit and signed 8-bit numbers by their bits.
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    values = values.view(page.dtype) if values.dtype.itemsize == page.dtype.itemsize else values.astype(page.dtype)
    return np.asarray(int(page.top) - values).astype(page.dtype) if page.inverted else values


def _over_black(picture: Any) -> NDArray[np.uint8]:
    """What lies under transparent pixels is arbitrary: it counts as much as it would be seen."""
    colours = np.asarray(picture)
    alpha = colours[..., 3:].astype(np.uint16)
    return np.asarray((colours[..., :3] * alpha + 127) // 255).astype(np.uint8)


def _page(picture: Any, number: int, size: int) -> Page:
    tags = getattr(picture, "tag_v2", {})
    columns, rows = (int(tags.get(_WIDTH, 0)), int(tags.get(_LENGTH, 0))) if tags else picture.size
    if rows < 1 or columns < 1 or columns * rows > MOST_PIXELS:
        raise UserError("The picture has too many pixels.", "Choose a smaller picture.", f"{columns} x {rows}")
    if columns * rows > _room(picture, tags, size):
        raise UserError("The picture is cut short.", "Copy it again from its source.", f"{columns} x {rows}")
    turn = _turn(picture)
    dtype, top = _values(picture, tags)
    inverted = tags.get(_INTERPRETATION) == 0 and picture.mode.startswith("I;16")
    raw = str(picture.tile[0][3]) if picture.tile else ""
    shrunk = ";16" in raw and not picture.mode.startswith(("I", "F"))
    if turn in (5, 6, 7, 8):
        columns, rows = rows, columns
    kind = picture.format or "picture"
    return Page(number, rows, columns, picture.mode, kind, dtype, top, inverted, shrunk)


def _turn(picture: Any) -> int:
    """EXIF's orientation, 1 to 8."""
    if picture.format == "PNG" and "exif" not in picture.info and not _exif_follows(picture.fp):
        return 1  # asked for EXIF, Pillow would decode the whole picture to look behind it
    return int(picture.getexif().get(_TURN, 1) or 1)


def _exif_follows(stream: Any) -> bool:
    """Whether a PNG has EXIF behind its pixels (PNG 1.5 extensions allow both places)."""
    if stream is None:  # read to its end: what there was is in ``info``
        return False
    before = stream.tell()
    stream.seek(8)
    kind = b""
    while kind not in (b"eXIf", b"IEND") and len(head := stream.read(8)) == 8:
        kind = head[4:]
        stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
    stream.seek(before)
    return bool(kind == b"eXIf")


def _room(picture: Any, tags: Any, size: int) -> float:
    """Pixels that ``size`` bytes can hold at most: Pillow takes a size for granted and fills up with black."""
    if picture.mode == "1":
        return float("inf")  # fax codes need next to nothing for white paper
    if tags.get(_COMPRESSION) == 1 and tags.get(_INTERPRETATION) != _SUBSAMPLED:
        bits = np.ravel(tags.get(_BITS, 1))
        return size * 8 / max(1, int(bits.sum() if len(bits) > 1 else bits[0]))
    if picture.format == "PNG":
        return _FEW + size * 1032 * 8  # deflate's limit (RFC 1951), one bit for a pixel
    return _FEW + size * 8192


def _values(picture: Any, tags: Any) -> tuple[np.dtype[Any] | None, float]:
    """(type, largest value of the encoding or 0) of a grey picture; no type for colours."""
    mode = picture.mode
    bits = int(np.ravel(tags.get(_BITS, 0))[0])
    form = int(np.ravel(tags.get(_FORMAT, _UNSIGNED))[0])
    if mode.startswith("I;16"):
        return np.dtype(np.uint16), float((1 << bits) - 1) if 8 < bits < 16 else 65535.0
    if mode == "I":
        if not tags:
            return np.dtype(np.uint16), 65535.0  # PNG with 16 bits, in older Pillows
        if bits == 16:
            return np.dtype(np.int16), 0.0
        return np.dtype(np.int32 if form == _SIGNED else np.uint32), 0.0
    if mode == "F":
        return np.dtype(np.float32), 0.0
    if mode == "L" and form == _SIGNED:
        return np.dtype(np.int8), 0.0
    return (np.dtype(np.uint8), 255.0) if mode in ("1", "L", "LA", "La") else (None, 255.0)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The picture in the file; whatever Pillow raises inside the block becomes :class:`UserError`."""
    try:
        with _BOUNDS.held(), path.open("rb") as stream:
            plugin = _plugin(stream.read(16))
            stream.seek(0)
            with plugin(stream) as picture:
                yield picture
    except (UserError, Cancelled):
        raise
    except MemoryError as error:
        raise UserError("There is not enough memory for this picture.", "Close other programs.") from error
    except Exception as error:  # Pillow raises nearly everything on damaged files: SyntaxError, KeyError, struct.error
        raise _reason(error) from error


def _plugin(head: bytes) -> Any:
    """Pillow's class for these first bytes. Named one by one: Pillow knows formats that start other programs."""
    from PIL import BmpImagePlugin, Jpeg2KImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        teach_orders(TiffImagePlugin.OPEN_INFO)
        return TiffImagePlugin.TiffImageFile
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    if head[:4] == b"GIF8":
        raise UserError("GIF pictures are not read.", "Save it as PNG.")
    known = {
        b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
        b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
        b"BM": BmpImagePlugin.BmpImageFile,
        b"\xff\x4f\xff\x51": Jpeg2KImagePlugin.Jpeg2KImageFile,
        b"\0\0\0\x0cjP  \r\n\x87\n": Jpeg2KImagePlugin.Jpeg2KImageFile,
    }
    found = next((plugin for mark, plugin in known.items() if head.startswith(mark)), None)
    if found is None:
        raise UserError("The picture is damaged or of another format than its name says.", "Save it again as PNG.")
    return found


def _reason(error: Exception) -> UserError:
    words = str(error)
    name = type(error).__name__
    if "12-bit" in words:
        return UserError(
            "The JPEG holds 12 bits for each pixel, which this program reads in DICOM files only.",
            "Save it as a 16-bit PNG or TIFF.",
        )
    if isinstance(error, (NotImplementedError, KeyError)) or "unknown pixel mode" in words or "decoder" in words:
        return UserError(
            "The picture is damaged, or encoded in a way that this program does not read.",
            "Save it as PNG, or as TIFF with 8 or 16 bits.",
            name,
        )
    return UserError("The picture is damaged or cut short.", "Copy it again from its source.", name)


class _Bounds:
    """Pillow's limit of pixels and Python's warnings, which belong to the whole process.

    While any of our pictures is open the limit is ours and Pillow is silent; with the last one both are as before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._undo = ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._begin()
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
                if self._count == 0:
                    self._undo.close()

    def _begin(self) -> None:
        from PIL import Image

        self._undo.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        self._undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        Image.MAX_IMAGE_PIXELS = MOST_PIXELS


_BOUNDS = _Bounds()
