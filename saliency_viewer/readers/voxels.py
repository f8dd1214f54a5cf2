"""Voxels as a file stores them, and reading them piece by piece into one array of the final type.

What this promises: a volume takes its own bytes and a few MiB more, whatever the file says. Nothing is allocated
for voxels that the file cannot hold.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers.inflate import Inflater
from saliency_viewer.readers.values import Conversion, conversion, luminance
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.runtime.devices import free_memory

MOST_BYTES = 8 * 2**30  # of one volume
_TIGHTEST = 1032  # deflate cannot shrink further (RFC 1951: 258 bytes in two bits)
# From here on so tight a packing is a mask with little in it, or a bomb: it may not take the memory away from others.
_SUSPECT_BYTES, _SUSPECT_RATIO = 2**29, 200
_PIECE = 1 << 16  # voxels converted at a time
_BLOCK = 1 << 22  # bytes read between two looks at "cancel"


@dataclass(frozen=True)
class Stored:
    """Where and how the voxels of a file lie.

    Parameters
    ----------
    path:
        The file with the voxels.
    start:
        Bytes of the file before the (packed) data.
    offset:
        Bytes before the first voxel, counted after unpacking.
    packed:
        Whether a gzip or zlib stream holds the data.
    dtype:
        Of one number, with its byte order.
    shape:
        (slice, row, column) of one volume; columns are next to each other.
    channels:
        Numbers of one voxel next to each other: colours, components, or time points.
    volumes:
        Volumes one after the other.
    slope, intercept:
        Value = slope * number + intercept.
    colour:
        Whether the channels are red, green, blue (and alpha, which is left out).
    """

    path: Path = field(repr=False)
    start: int
    offset: int
    packed: bool
    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    channels: int = 1
    volumes: int = 1
    slope: float = 1.0
    intercept: float = 0.0
    colour: bool = False

    @property
    def voxels(self) -> int:
        """Of one volume."""
        return math.prod(self.shape)

    @property
    def volume_bytes(self) -> int:
        """In the file, all channels together."""
        return self.voxels * self.channels * self.dtype.itemsize

    @property
    def images(self) -> int:
        """How many grey or colour volumes the file offers."""
        return self.volumes if self.colour else self.volumes * self.channels


def measured(stored: Stored) -> tuple[Stored, tuple[str, ...]]:
    """``stored`` with the volumes that the file's size can hold, and a word where some are missing.

    Raises :class:`UserError` for a file that is cut short or promises more than an image can be.
    """
    if min(*stored.shape, stored.channels, stored.volumes) < 1:
        raise UserError("The file holds no volume: one of its sizes is zero.", "Choose a file with an image.")
    if stored.volume_bytes > MOST_BYTES:
        raise UserError(
            "The file says that its volume is larger than any image this program can show.",
            "It is damaged, or must be cut into parts.",
        )
    there = _regular(stored.path).st_size - stored.start
    suspect = stored.packed and stored.volume_bytes > max(_SUSPECT_BYTES, there * _SUSPECT_RATIO)
    if suspect and stored.volume_bytes > free_memory() // 2:
        raise UserError(
            "The file would unpack to more than half of the memory that is free.",
            "Close other programs; or unpack it yourself, if you trust it, and open that.",
        )
    room = (there * _TIGHTEST if stored.packed else there) - stored.offset
    whole = room // stored.volume_bytes
    if whole < 1:
        raise cut_short()
    if whole >= stored.volumes:
        return stored, ()
    words = f"The file is cut short: {whole} of its {stored.volumes} volumes are there."
    return replace(stored, volumes=whole), (words,)


def read_array(stored: Stored, number: int, context: RunContext) -> NDArray[np.generic]:
    """(slice, row, column) values of image ``number`` (from 0), in the smallest exact type, or float32.

    Raises :class:`UserError` where the data ends early, is damaged or does not fit into memory.
    """
    channel = number % stored.channels
    found = None
    if _needs_range(stored):
        with _reading(stored, number // stored.channels) as source:
            found = _range(stored, source, channel, context)
    with _reading(stored, number // stored.channels) as source:
        return _values(stored, source, channel, found, context)


def read_volumes(stored: Stored, context: RunContext) -> Iterator[NDArray[np.generic]]:
    """Every volume in turn as :func:`read_array` gives its first channel; the file is unpacked once, not for each."""
    ranges: list[tuple[int, int] | None] = [None] * stored.volumes
    if _needs_range(stored):
        with _reading(stored, 0, stored.volumes) as source:
            ranges = [_range(stored, source, 0, context) for _ in ranges]
    with _reading(stored, 0, stored.volumes) as source:
        for found in ranges:
            yield _values(stored, source, 0, found, context)


def read_colour(stored: Stored, number: int, context: RunContext) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(slice, row, column) luminance and (slice, row, column, 3) colours of image ``number``."""
    with _reading(stored, number) as source:
        colours = np.empty((stored.voxels, 3), np.uint8)
        for start, piece in _pieces(stored, source, context):
            colours[start : start + len(piece)] = piece[:, :3]
        return luminance(colours).reshape(stored.shape), colours.reshape(*stored.shape, 3)


def cut_short() -> UserError:
    """For a file that ends before its last voxel."""
    return UserError("The file is cut short.", "Copy it again from its source.")


def _regular(path: Path) -> Any:
    """The file's state; a pipe or a device would keep us waiting for ever."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise UserError("The file may not be read.", "Check that it is still there.", type(error).__name__) from error
    if not stat.S_ISREG(found.st_mode):
        raise UserError("The file is no ordinary file.", "Copy it into a folder and open the copy.")
    return found


class _Plain:
    """The same face as :class:`Inflater`, for data that is not packed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: Any = stream

    def readinto(self, view: memoryview) -> int:
        return int(self._stream.readinto(view))

    def skip(self, count: int) -> int:
        self._stream.seek(count, 1)
        return count

    def finish(self) -> None:
        pass


_Source = _Plain | Inflater


@contextmanager
def _reading(stored: Stored, volume: int, count: int = 1) -> Iterator[_Source]:
    """The data of ``count`` volumes from ``volume`` on; library and system errors become :class:`UserError`."""
    _regular(stored.path)
    try:
        with stored.path.open("rb") as stream:
            stream.seek(stored.start)
            source: _Source = Inflater(stream) if stored.packed else _Plain(stream)
            before = stored.offset + volume * stored.volume_bytes
            if source.skip(before) < before:
                raise cut_short()
            yield source
            if volume + count == stored.volumes:
                source.finish()
    except (UserError, Cancelled):
        raise
    except MemoryError as error:
        raise UserError(
            "There is not enough memory for this volume.", "Close other programs, or open a smaller file."
        ) from error
    except Exception as error:  # zlib's, ISA-L's and the system's errors share no class
        raise UserError(
            "The file is damaged or may not be read.", "Copy it again from its source.", type(error).__name__
        ) from error


def _bytes(values: NDArray[np.generic]) -> memoryview:
    buffer: Any = values.reshape(-1).view(np.uint8)
    return memoryview(buffer)


def _fill(source: _Source, view: memoryview, context: RunContext) -> None:
    for start in range(0, len(view), _BLOCK):
        context.check()
        part = view[start : start + _BLOCK]
        if source.readinto(part) < len(part):
            raise cut_short()


def _straight(stored: Stored, source: _Source, context: RunContext) -> NDArray[np.generic]:
    values: NDArray[np.generic] = np.empty(stored.shape, stored.dtype)
    _fill(source, _bytes(values), context)
    if not stored.dtype.isnative:
        # In place: a copy would double the memory.
        values = values.byteswap(inplace=True).view(stored.dtype.newbyteorder("="))
    return values


def _pieces(stored: Stored, source: _Source, context: RunContext) -> Iterator[tuple[int, NDArray[np.generic]]]:
    """(first voxel, (voxels, channels) numbers) of one volume, in pieces."""
    most = max(1, min(stored.voxels, _PIECE // stored.channels))
    scratch = np.empty((most, stored.channels), stored.dtype)
    for start in range(0, stored.voxels, most):
        piece = scratch[: min(most, stored.voxels - start)]
        _fill(source, _bytes(piece), context)
        yield start, piece


def _values(
    stored: Stored, source: _Source, channel: int, found: tuple[int, int] | None, context: RunContext
) -> NDArray[np.generic]:
    """(slice, row, column) values of the volume at which ``source`` stands."""
    plan = conversion(stored.dtype, stored.slope, stored.intercept, found)
    if plan.same and stored.channels == 1:
        return _straight(stored, source, context)
    target = np.empty(stored.voxels, plan.target)
    for start, piece in _pieces(stored, source, context):
        target[start : start + len(piece)] = plan.apply(piece[:, channel])
    return target.reshape(stored.shape)


def _needs_range(stored: Stored) -> bool:
    """Whether the type that holds the values depends on them.

    The file is read twice then: 64-bit labels are rare, and twice their memory would hurt more.
    """
    return Conversion.needs_range(stored.dtype, stored.slope, stored.intercept)


def _range(stored: Stored, source: _Source, channel: int, context: RunContext) -> tuple[int, int]:
    """Smallest and largest number of the volume at which ``source`` stands."""
    low, high = [], []
    for _, piece in _pieces(stored, source, context):
        low.append(int(piece[:, channel].min()))
        high.append(int(piece[:, channel].max()))
    return min(low), max(high)
