"""Objects full of arrays from one process to another: a small pickle, and the arrays through shared memory.

Both ends are this program, so the pickle is as trustworthy as the code; files never hold one.
"""

from __future__ import annotations

import os
import pickle
import secrets
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np

_PREFIX = "svw"
_FOLDER = Path("/dev/shm")
_ALIGNMENT = 64


@dataclass(frozen=True)
class Parcel:
    """An object on its way: ``segment`` holds the arrays at ``spans`` (offset, bytes), ``body`` all else."""

    segment: str
    spans: tuple[tuple[int, int], ...]
    body: bytes


def new_prefix() -> str:
    """Start of the segment names of one compute process; holds the owner's process id."""
    return f"{_PREFIX}-{os.getpid()}-{secrets.token_hex(3)}"


def pack(value: object, name: str) -> tuple[Parcel, SharedMemory | None]:
    """Copy ``value``'s arrays into a new segment; the caller keeps it open until the other end has them."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    spans, end = [], 0
    for view in views:
        spans.append((end, view.nbytes))
        end += -(-view.nbytes // _ALIGNMENT) * _ALIGNMENT
    if not end:
        return Parcel("", tuple(spans), body), None
    segment = SharedMemory(name=name, create=True, size=end)
    for (start, size), view in zip(spans, views, strict=True):
        _buffer(segment)[start : start + size] = view
    return Parcel(segment.name, tuple(spans), body), segment


def unpack(parcel: Parcel) -> Any:
    """The object with arrays of its own; the segment is removed."""
    if not parcel.segment:
        return pickle.loads(parcel.body, buffers=[bytearray() for _ in parcel.spans])
    segment = SharedMemory(name=parcel.segment)
    try:
        copies = [_copy(segment, start, size) for start, size in parcel.spans]
    finally:
        segment.close()
        segment.unlink()
    return pickle.loads(parcel.body, buffers=copies)


def _copy(segment: SharedMemory, start: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    copy = np.empty(size, dtype=np.uint8)
    # NumPy copies without the interpreter's lock, so that a window in this process stays alive.
    copy[...] = np.frombuffer(_buffer(segment), dtype=np.uint8, count=size, offset=start)
    return copy


def _buffer(segment: SharedMemory) -> memoryview:
    buffer = segment.buf
    if buffer is None:
        raise RuntimeError("the shared memory is closed")
    return buffer


def remove_segments(prefix: str) -> None:
    """Remove what a dead compute process left behind."""
    for path in _segments():
        if path.name.startswith(prefix):
            path.unlink(missing_ok=True)


def remove_stale_segments() -> None:
    """Remove segments whose owner is dead (killed, or the power failed)."""
    for path in _segments():
        owner = path.name.split("-")[1]
        if owner.isdigit() and not _alive(int(owner)):
            path.unlink(missing_ok=True)


def _segments() -> list[Path]:
    """Segments of this user; an empty list on systems where they have no names in the file system."""
    if not _FOLDER.is_dir():
        return []
    return [path for path in _FOLDER.glob(f"{_PREFIX}-*-*") if _is_mine(path)]


def _is_mine(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
