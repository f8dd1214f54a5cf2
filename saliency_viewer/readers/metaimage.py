"""MetaImage headers (https://itk.org/Wiki/ITK/MetaIO/Documentation), with their voxels behind them or in a file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from saliency_viewer.errors import UserError
from saliency_viewer.readers.beside import file_beside
from saliency_viewer.readers.text_header import Grid3, beginning, counts, no_volume, numbers, unusual
from saliency_viewer.readers.voxels import Stored

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_LINE = re.compile(rb"[ \t]*([A-Za-z]\w*)[ \t]*[=:][ \t]*([^\r\n]*)\r?\n")

Fields = dict[str, str]


def read_metaimage(path: Path) -> tuple[Stored, Grid3]:
    """Where the voxels are and what is known of the grid.

    Raises :class:`UserError`, or ValueError, IndexError, KeyError for fields that make no sense.
    """
    fields, length = _fields(beginning(path) + b"\n")
    axes, sizes = int(fields["NDims"]), counts(fields["DimSize"])
    if axes not in (2, 3, 4):
        raise no_volume()
    if len(sizes) != axes:
        raise ValueError("DimSize")
    if _yes(fields, "BinaryData", "True") is False:
        raise unusual("holds its voxels as text")
    code = _TYPES.get(fields["ElementType"].removesuffix("_ARRAY"))
    if code is None:
        raise unusual("holds numbers of an unusual type")
    big = _yes(fields, "BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    name = fields["ElementDataFile"]
    if name.split(" ")[0].upper() == "LIST" or "%" in name:
        raise unusual("spreads its voxels over several files")
    place, start = (path, length) if name.upper() == "LOCAL" else (file_beside(path, name), 0)
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    columns, rows, slices = (*sizes, 1)[:3]
    stored = Stored(
        place,
        start,
        0,
        _yes(fields, "CompressedData", "False"),
        np.dtype((">" if big else "<") + code),
        (slices, rows, columns),
        channels,
        sizes[3] if axes == 4 else 1,
        colour=code == "u1" and channels in (3, 4),
    )
    return _after_header(stored, int(fields.get("HeaderSize", "0"))), _grid(fields, axes)


def _fields(head: bytes) -> tuple[Fields, int]:
    """Keys with their texts up to ``ElementDataFile``, which is the last one, and the length of these lines."""
    fields: Fields = {}
    at = 0
    while found := _LINE.match(head, at):
        name, value = found.group(1).decode("ascii", "replace"), found.group(2).decode("utf-8", "replace").strip()
        fields.setdefault(name, value)
        at = found.end()
        if name == "ElementDataFile":
            return fields, at
    raise UserError("The file is no MetaImage file.", "It may be damaged or of another format.")


def _yes(fields: Fields, name: str, default: str) -> bool:
    return fields.get(name, default).lower() in ("true", "t", "1", "yes")


def _after_header(stored: Stored, skip: int) -> Stored:
    """``HeaderSize``: bytes in front of the voxels, or -1 where these are the last ones of the file."""
    if skip == -1 and not stored.packed:
        return replace(stored, start=stored.path.stat().st_size - stored.volume_bytes * stored.volumes)
    if skip < 0:
        raise ValueError("HeaderSize")
    return replace(stored, start=stored.start + skip)


def _grid(fields: Fields, axes: int) -> Grid3:
    """Row i of the matrix in the file is the direction of axis i."""
    text = next((fields[name] for name in ("ElementSpacing", "ElementSize") if name in fields), None)
    spacing = numbers(text) if text is not None else None
    if spacing is not None and len(spacing) != axes:
        raise ValueError("ElementSpacing")
    used = min(axes, 3)
    matrix = next((fields[name] for name in ("TransformMatrix", "Rotation", "Orientation") if name in fields), None)
    directions = None
    if matrix is not None and axes > 2:
        directions = numbers(matrix).reshape(axes, axes)[:3, :3]
    place = next((fields[name] for name in ("Offset", "Position", "Origin") if name in fields), None)
    origin = None if place is None else np.append(numbers(place), [0.0, 0.0])[:3]
    return Grid3(None if spacing is None else spacing[:used], directions, origin, oriented=directions is not None)
