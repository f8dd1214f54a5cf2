"""Uncompressed grey pixels read straight from their place in the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.forms import PixelForm
from saliency_viewer.readers.dicom.header import transfer_syntax, whole
from saliency_viewer.readers.dicom.payload import EXPLICIT, IMPLICIT
from saliency_viewer.readers.dicom.sources import Source

_SIZES = (8, 16)


def is_plain(source: Source) -> bool:
    """Whether every picture of the file is a block of whole little-endian greys, or of RGB bytes, at a known place."""
    form, payload = source.form, source.payload
    grey = form.samples == 1 and form.allocated in _SIZES and not form.coloured
    return (
        payload is not None
        and payload.pieces is None
        and not payload.floating
        and transfer_syntax(source.header) in (IMPLICIT, EXPLICIT)
        and (grey or _is_rgb(form))
        and payload.size >= int(form.plane_bytes) * form.frames
    )


def _is_rgb(form: PixelForm) -> bool:
    return form.samples == 3 and form.photometric == "RGB" and form.allocated == form.stored == 8


def planes(source: Source, indices: list[int]) -> Iterator[NDArray[Any]]:
    """The pictures with these numbers, each valid until the next is asked for.

    They are (row, column), bits as stored, or (row, column, 3) uint8.

    Raises :class:`UserError` when the file ends too early.
    """
    form, payload = source.form, source.payload
    if payload is None:
        raise ValueError("a file without pixels")
    planar = form.samples > 1 and whole(source.header, "PlanarConfiguration", 0) == 1
    size_of_one = (form.rows, form.columns)
    shape = size_of_one if form.samples == 1 else (3, *size_of_one) if planar else (*size_of_one, 3)
    plane = np.empty(shape, dtype=np.uint8 if form.samples > 1 else form.dtype)
    size = plane.nbytes
    descriptor = os.open(source.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        for index in indices:
            os.lseek(descriptor, payload.start + index * size, os.SEEK_SET)
            _fill(descriptor, memoryview(plane.data).cast("B"))
            yield np.moveaxis(plane, 0, -1) if planar else plane
    finally:
        os.close(descriptor)


def _fill(descriptor: int, buffer: memoryview) -> None:
    done = 0
    while done < len(buffer):
        count = _read_into(descriptor, buffer[done:])
        if count == 0:
            raise UserError("A DICOM file of the series is cut short.", "Copy it again from its source.")
        done += count


def _read_into(descriptor: int, buffer: memoryview) -> int:
    if hasattr(os, "readv"):
        return os.readv(descriptor, [buffer])
    piece = os.read(descriptor, len(buffer))
    buffer[: len(piece)] = piece
    return len(piece)
