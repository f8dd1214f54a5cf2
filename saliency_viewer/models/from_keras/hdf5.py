"""Looking through an HDF5 file before a library that follows its links is given it."""

from __future__ import annotations

from typing import Any

from saliency_viewer.errors import UserError

_LARGEST = 16 * 2**30  # bytes of all arrays together
_FREE = 2**30  # up to here arrays may be packed as well as they can be
_PACKING = 100  # beyond it they may unpack to so many times the file's size
_DEEPEST = 64


def check_hdf5(file: Any, size: int) -> None:
    """Raise :class:`UserError` where ``file`` (h5py) leads out of itself, or unpacks to more than ``size`` allows.

    Refused are links other than plain ones, arrays whose values lie in other files, and virtual arrays: Keras writes
    none of them, and with them a model file could read any file that the user can read.
    """
    total = _walk(file, set(), 0)
    if total > _LARGEST or total > max(_FREE, _PACKING * size):
        raise UserError(
            "The Keras file's arrays are far larger than the file itself, so it was not opened.",
            "Save the network again from the program that made it.",
            f"{total} bytes in a file of {size}",
        )


def _walk(group: Any, seen: set[Any], depth: int) -> int:
    """Bytes of all arrays in a group, each counted once."""
    import h5py

    if depth > _DEEPEST:
        raise _outside("groups nested too deeply")
    total = 0
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _outside("a link to another place")
        found = group[name]
        place = h5py.h5o.get_info(found.id).addr
        if place in seen:
            continue
        seen.add(place)
        if isinstance(found, h5py.Group):
            total += _walk(found, seen, depth + 1)
        elif isinstance(found, h5py.Dataset):
            if found.external or found.is_virtual:
                raise _outside("an array whose values lie elsewhere")
            total += int(found.size or 0) * found.dtype.itemsize
    return total


def _outside(what: str) -> UserError:
    return UserError(
        "The Keras file refers to other places than itself, as no file written by Keras does, so it was not opened.",
        "Get the file from its author again.",
        what,
    )
