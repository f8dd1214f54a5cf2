"""One file's pictures by the decoders of pydicom, Pillow and GDCM. Runs in the decoders' own process."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.codestream import size_of
from saliency_viewer.readers.dicom.forms import PixelForm
from saliency_viewer.readers.dicom.fragments import Piece, frame_pieces
from saliency_viewer.readers.dicom.gdcm_codec import gdcm_picture
from saliency_viewer.readers.dicom.header import text, transfer_syntax
from saliency_viewer.readers.dicom.opening import mend_syntax
from saliency_viewer.readers.dicom.payload import DEFLATED, NATIVE, measure, mend_frames
from saliency_viewer.readers.dicom.quiet import quietly

_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
_JPEG_8_BIT = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55))
_KEEPS_NAMES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(eq=False)
class Pictures:
    """One open file, its pictures read and decoded one by one.

    ``bare`` is its pixel description without pixels. Of compressed files ``frames`` says where each picture lies; the
    others, which are rare, are held ``whole``.
    """

    path: Path
    form: PixelForm
    bare: Any
    frames: list[list[Piece]] = field(default_factory=list)
    whole: Any = None

    @classmethod
    def of(cls, path: Path) -> Pictures:
        """Read a file's header. Raises :class:`UserError` when it holds no pixels."""
        import pydicom

        with quietly(), path.open("rb") as stream:
            header = pydicom.dcmread(stream, force=True, stop_before_pixels=True)
            mend_syntax(header)
            if transfer_syntax(header) not in (*NATIVE, DEFLATED):
                element = measure(stream, header, path.stat().st_size)
                if element is None:
                    raise UserError("The DICOM file holds no pixels.", "Copy it again from its source.")
                mend_frames(header, 0)
                form = PixelForm.of(header)
                return cls(path, form, header, frame_pieces(stream, element.start, form.frames, _extended(header)))
        with quietly():
            dataset = pydicom.dcmread(path, force=True)
            if not any(keyword in dataset for keyword in _KEEPS_NAMES):
                raise UserError("The DICOM file holds no pixels.", "Copy it again from its source.")
            mend_syntax(dataset)
            mend_frames(dataset, len(dataset.get("PixelData") or b""))
        return cls(path, PixelForm.of(dataset), dataset, whole=dataset)

    def decode(self, index: int) -> NDArray[Any]:
        """Picture ``index``: (row, column) with its bits as stored, or (row, column, 3) uint8 colours."""
        with quietly():
            stored = self._stored(index)
            if self.form.photometric == "PALETTE COLOR":
                return self._by_palette(stored)
        return self._coloured(stored) if stored.ndim == 3 else stored

    def _stored(self, index: int) -> NDArray[Any]:
        from pydicom.pixels.utils import pixel_array

        syntax = transfer_syntax(self.bare)
        encoded = b""
        if self.whole is None:
            encoded = self._encoded(index)
            if syntax == _DEFLATED_FRAMES:
                return self._inflated(encoded)
            self._require_size(encoded)
        try:
            if self.whole is not None:
                return np.asarray(pixel_array(self.whole, index=index))
            return np.asarray(pixel_array(self._one(encoded)))
        except Exception as error:  # its decoders raise whatever they like; another one may know better
            other = self._by_others(encoded, syntax) if encoded else None
            if other is None:
                raise UserError(
                    "The pixels of a DICOM file cannot be decoded: the file is cut short, damaged, or of an unknown "
                    "encoding.",
                    "",
                    f"{type(error).__name__}, transfer syntax {syntax}",
                ) from error
            return other

    def _encoded(self, index: int) -> bytes:
        """The compressed bytes of one picture."""
        if index >= len(self.frames):
            raise UserError("A DICOM file holds fewer pictures than it says.", "")
        with self.path.open("rb") as stream:
            parts = []
            for start, length in self.frames[index]:
                stream.seek(start)
                parts.append(stream.read(length))
        return b"".join(parts)

    def _one(self, encoded: bytes) -> Any:
        """A data set of one compressed picture alone."""
        from pydicom.encaps import encapsulate

        self.bare.NumberOfFrames = 1
        self.bare.PixelData = encapsulate([encoded])
        self.bare["PixelData"].is_undefined_length = True
        return self.bare

    def _require_size(self, encoded: bytes) -> None:
        """Compare what the compressed picture says of its size with the header, before memory is taken for it."""
        found = size_of(encoded)
        if found is not None and found != (self.form.rows, self.form.columns):
            raise UserError("The compressed pixels of a DICOM file have another size than its header says.", "")

    def _by_others(self, encoded: bytes, syntax: str) -> NDArray[Any] | None:
        if syntax in _JPEG_8_BIT and self.form.allocated == 8:
            return _by_pillow(encoded)
        return gdcm_picture(self.bare, encoded) if self.form.samples == 1 else None

    def _inflated(self, encoded: bytes) -> NDArray[Any]:
        size = int(self.form.plane_bytes)
        raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(encoded, size + 1)
        if len(raw) < size:
            raise UserError("The compressed pixels of a DICOM file are cut short.", "")
        shape = (self.form.rows, self.form.columns)
        planar = text(self.bare, "PlanarConfiguration") == "1"
        if self.form.samples > 1:
            whole = (self.form.samples, *shape) if planar else (*shape, self.form.samples)
            found = np.frombuffer(raw[:size], dtype=self.form.dtype).reshape(whole)
            return np.moveaxis(found, 0, -1) if planar else found
        return np.frombuffer(raw[:size], dtype=self.form.dtype).reshape(shape)

    def _by_palette(self, stored: NDArray[Any]) -> NDArray[Any]:
        from pydicom.pixels.processing import apply_color_lut

        try:
            coloured = np.asarray(apply_color_lut(stored, self.bare))
        except (ValueError, AttributeError, KeyError, IndexError, TypeError) as error:
            raise UserError("The colour table of a DICOM file is damaged.", "", type(error).__name__) from error
        top = 255.0 if coloured.dtype.itemsize == 1 else 65535.0
        return _to_bytes(coloured, top)

    def _coloured(self, stored: NDArray[Any]) -> NDArray[Any]:
        if stored.dtype == np.uint8 and self.form.stored == 8:
            return stored[..., :3]
        return _to_bytes(stored, float(2**self.form.stored - 1))


def _extended(header: Any) -> tuple[int, ...]:
    """The extended offset table: 64-bit offsets of pictures that lie beyond four gigabytes."""
    raw = header.get("ExtendedOffsetTable")
    return struct.unpack(f"<{len(raw) // 8}Q", raw[: len(raw) // 8 * 8]) if isinstance(raw, bytes) else ()


def _to_bytes(colours: NDArray[Any], top: float) -> NDArray[Any]:
    """(row, column, 3) uint8 of colours 0..``top``, rounded."""
    if top == 255.0 and colours.dtype == np.uint8:
        return colours[..., :3]
    scaled = colours[..., :3].astype(np.float32) * np.float32(255.0 / top)
    found: NDArray[Any] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return found


def _by_pillow(encoded: bytes) -> NDArray[Any] | None:
    """8-bit JPEG processes that pydicom has no decoder for, progressive ones among them."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded), formats=("JPEG",)) as picture:
            return np.array(picture.convert("L" if picture.mode == "L" else "RGB"))
    except (OSError, SyntaxError, ValueError):
        return None
