"""Frames of a DICOM SEG, one after the other."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.readers.dicom.header import number, text
from saliency_viewer.readers.dicom.quiet import quietly
from saliency_viewer.readers.masks.dicom_file import damaged

_LITTLE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"  # PS3.5 A.4.12
# GDCM, which pydicom asks first, may crash on damaged data and take the program along.
_DECODERS = {
    "1.2.840.10008.1.2.5": "pydicom",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
}
_MOST_PIXELS = 2**27  # of one frame


def frames(dataset: Any, count: int) -> Iterator[NDArray[np.generic]]:
    """(row, column) stored values of each frame: booleans of packed bits, else unsigned integers.

    Nothing is decoded ahead, and compressed data may hold fewer frames. Raises :class:`UserError` when the pixels are
    damaged, or shorter than the header says.
    """
    rows, columns = int(number(dataset, "Rows", 0) or 0), int(number(dataset, "Columns", 0) or 0)
    bits = int(number(dataset, "BitsAllocated", 0) or 0)
    if rows < 1 or columns < 1 or rows * columns > _MOST_PIXELS or bits not in (1, 8, 16):
        raise damaged()
    if number(dataset, "SamplesPerPixel", 1) != 1 or not isinstance(dataset.get("PixelData"), bytes):
        raise damaged()
    syntax = text(dataset.file_meta, "TransferSyntaxUID")
    if syntax in (*_LITTLE, _BIG_ENDIAN):
        return _native(dataset.PixelData, (rows, columns), bits, count, big=syntax == _BIG_ENDIAN)
    if syntax == _DEFLATED_FRAMES:
        return _deflated(dataset, (rows, columns), bits, count)
    return _decoded(dataset, (rows, columns))


def _native(
    data: bytes, shape: tuple[int, int], bits: int, count: int, big: bool = False
) -> Iterator[NDArray[np.generic]]:
    pixels = shape[0] * shape[1]
    if len(data) * 8 < pixels * bits * count:
        raise damaged()
    order = ">" if big else "<"
    for k in range(count):
        if bits > 1:
            values = np.frombuffer(data, f"{order}u{bits // 8}", pixels, k * pixels * bits // 8)
        else:
            # Frames follow each other without padding, so one may start inside a byte (PS3.5 8.1.1).
            first, last = k * pixels // 8, -(-(k + 1) * pixels // 8)
            part = np.frombuffer(data, np.uint8, last - first, first)
            values = np.unpackbits(part, bitorder="little")[k * pixels - 8 * first :][:pixels].view(bool)
        yield values.reshape(shape)


def _deflated(dataset: Any, shape: tuple[int, int], bits: int, count: int) -> Iterator[NDArray[np.generic]]:
    from pydicom.encaps import generate_frames

    size = -(-shape[0] * shape[1] * bits // 8)
    try:
        for packed in generate_frames(dataset.PixelData, number_of_frames=count):
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, size)
            yield next(_native(data, shape, bits, 1))
    except (ValueError, zlib.error, StopIteration) as error:
        raise damaged(error) from error


def _decoded(dataset: Any, shape: tuple[int, int]) -> Iterator[NDArray[np.generic]]:
    from pydicom.pixels.utils import iter_pixels

    plugin = _DECODERS.get(text(dataset.file_meta, "TransferSyntaxUID"), "")
    try:
        with quietly():
            for values in iter_pixels(dataset, raw=True, decoding_plugin=plugin):
                if values.shape != shape:
                    raise damaged()
                yield values
    except Exception as error:  # decoders raise whatever they like
        raise damaged(error) from error
