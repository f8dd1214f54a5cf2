"""One file's pictures by the decoders of pydicom, Pillow and GDCM. Runs in the decoders' own process."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.codestream import size_of
from saliency_viewer.readers.dicom.forms import PixelForm
from saliency_viewer.readers.dicom.gdcm_codec import gdcm_picture
from saliency_viewer.readers.dicom.header import drop_endless_sign, text, transfer_syntax
from saliency_viewer.readers.dicom.opening import mend_syntax
from saliency_viewer.readers.dicom.payload import DEFLATED, NATIVE, mend_frames
from saliency_viewer.readers.dicom.quiet import quietly

_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
_JPEG_8_BIT = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55))
_CLOSING_MARK = b"\xfe\xff\xdd\xe0\0\0\0\0"
_KEEPS_NAMES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(eq=False)
class Pictures:
    """A whole file in memory, its pictures decoded one by one."""

    dataset: Any
    form: PixelForm

    @classmethod
    def of(cls, path: Path) -> Pictures:
        """Read a file. Raises :class:`UserError` when it holds no pixels."""
        import pydicom

        with quietly():
            dataset = pydicom.dcmread(path, force=True)
            if not any(keyword in dataset for keyword in _KEEPS_NAMES):
                # Some writers leave the closing mark of compressed pixels out; pydicom leaves out the pixels then.
                dataset = pydicom.dcmread(io.BytesIO(path.read_bytes() + _CLOSING_MARK), force=True)
            if not any(keyword in dataset for keyword in _KEEPS_NAMES):
                raise UserError("The DICOM file holds no pixels.", "Copy it again from its source.")
            drop_endless_sign(dataset)
            mend_syntax(dataset)
            mend_frames(dataset, len(dataset.get("PixelData") or b""))
        return cls(dataset, PixelForm.of(dataset))

    @property
    def decoded_bytes(self) -> int:
        """Bytes of one decoded picture."""
        return int(self.form.plane_bytes * 1.5) + 1

    def decode(self, index: int) -> NDArray[Any]:
        """Picture ``index``: (row, column) with its bits as stored, or (row, column, 3) uint8 colours."""
        with quietly():
            stored = self._stored(index)
            if self.form.photometric == "PALETTE COLOR":
                return self._by_palette(stored)
        return self._coloured(stored) if stored.ndim == 3 else stored

    def _stored(self, index: int) -> NDArray[Any]:
        syntax = transfer_syntax(self.dataset)
        encoded = None
        if syntax not in (*NATIVE, DEFLATED):
            encoded = self._frame(index)
            if syntax == _DEFLATED_FRAMES:
                return self._inflated(encoded)
            self._require_size(encoded)
        try:
            return self._by_pydicom(index)
        except Exception as error:  # its decoders raise whatever they like; another one may know better
            other = None if encoded is None else self._by_others(encoded, syntax)
            if other is None:
                raise UserError(
                    "The pixels of a DICOM file cannot be decoded: the file is cut short, damaged, or of an unknown "
                    "encoding.",
                    "",
                    f"{type(error).__name__}, transfer syntax {syntax}",
                ) from error
            return other

    def _frame(self, index: int) -> bytes:
        """The compressed bytes of one picture."""
        from pydicom.encaps import get_frame

        offsets = self._extended_offsets()
        return get_frame(self.dataset.PixelData, index, number_of_frames=self.form.frames, extended_offsets=offsets)

    def _extended_offsets(self) -> Any:
        table, lengths = self.dataset.get("ExtendedOffsetTable"), self.dataset.get("ExtendedOffsetTableLengths")
        return (table, lengths) if table and lengths else None

    def _require_size(self, encoded: bytes) -> None:
        """Compare what the compressed picture says of its size with the header, before memory is taken for it."""
        found = size_of(encoded)
        if found is not None and found != (self.form.rows, self.form.columns):
            raise UserError("The compressed pixels of a DICOM file have another size than its header says.", "")

    def _by_pydicom(self, index: int) -> NDArray[Any]:
        from pydicom.pixels.utils import pixel_array

        found: NDArray[Any] = pixel_array(self.dataset, index=index)
        return found

    def _by_others(self, encoded: bytes, syntax: str) -> NDArray[Any] | None:
        if syntax in _JPEG_8_BIT and self.form.allocated == 8:
            return _by_pillow(encoded)
        return gdcm_picture(self.dataset, encoded) if self.form.samples == 1 else None

    def _inflated(self, encoded: bytes) -> NDArray[Any]:
        size = int(self.form.plane_bytes)
        raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(encoded, size + 1)
        if len(raw) < size:
            raise UserError("The compressed pixels of a DICOM file are cut short.", "")
        shape = (self.form.rows, self.form.columns)
        planar = text(self.dataset, "PlanarConfiguration") == "1"
        if self.form.samples > 1:
            whole = (self.form.samples, *shape) if planar else (*shape, self.form.samples)
            found = np.frombuffer(raw[:size], dtype=self.form.dtype).reshape(whole)
            return np.moveaxis(found, 0, -1) if planar else found
        return np.frombuffer(raw[:size], dtype=self.form.dtype).reshape(shape)

    def _by_palette(self, stored: NDArray[Any]) -> NDArray[Any]:
        from pydicom.pixels.processing import apply_color_lut

        try:
            coloured = np.asarray(apply_color_lut(stored, self.dataset))
        except (ValueError, AttributeError, KeyError, IndexError, TypeError) as error:
            raise UserError("The colour table of a DICOM file is damaged.", "", type(error).__name__) from error
        top = 255.0 if coloured.dtype.itemsize == 1 else 65535.0
        return _to_bytes(coloured, top)

    def _coloured(self, stored: NDArray[Any]) -> NDArray[Any]:
        if stored.dtype == np.uint8 and self.form.stored == 8:
            return stored[..., :3]
        return _to_bytes(stored, float(2**self.form.stored - 1))


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
