"""Uncompressed grey pixels read straight from their place in the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.dicom.header import transfer_syntax
from saliency_viewer.readers.dicom.payload import EXPLICIT, IMPLICIT
from saliency_viewer.readers.dicom.sources import Source

_SIZES = (8, 16)


def is_plain(source: Source) -> bool:
    """Whether every picture of the file is a block of whole little-endian grey numbers at a known place."""
    form, payload = source.form, source.payload
    return (
        payload is not None
        and payload.pieces is None
        and transfer_syntax(source.header) in (IMPLICIT, EXPLICIT)
        and form.samples == 1
        and form.allocated in _SIZES
        and not form.coloured
        and payload.size >= int(form.plane_bytes) * form.frames
    )


def planes(source: Source, indices: list[int]) -> Iterator[NDArray[Any]]:
    """The pictures with these numbers, (row, column), bits as stored; each is valid until the next is asked for.

    Raises :class:`UserError` when the file ends too early.
    """
    form, payload = source.form, source.payload
    if payload is None:
        raise ValueError("a file without pixels")
    plane = np.empty((form.rows, form.columns), dtype=form.dtype)
    size = plane.nbytes
    descriptor = os.open(source.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        for index in indices:
            os.lseek(descriptor, payload.start + index * size, os.SEEK_SET)
            _fill(descriptor, memoryview(plane.data).cast("B"))
            yield plane
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
