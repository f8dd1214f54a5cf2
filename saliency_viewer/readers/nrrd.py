"""NRRD headers (https://teem.sourceforge.net/nrrd/format.html), attached or detached."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.readers.beside import file_beside
from saliency_viewer.readers.text_header import Grid3, beginning, counts, no_volume, numbers, unusual
from saliency_viewer.readers.voxels import Stored

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
        "int64",
        "int64_t",
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_CODES = {name: code for code, names in _TYPES.items() for name in names}
# Signs that turn the file's coordinates into LPS.
_SPACES = {
    "right-anterior-superior": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "left-posterior-superior": (1, 1, 1),
    "ras": (-1, -1, 1),
    "las": (1, -1, 1),
    "lps": (1, 1, 1),
}
_SPATIAL = ("domain", "space")
_COLOURS = {"rgb-color": 3, "rgba-color": 4}
_UNITS = {"m": 1000.0, "cm": 10.0, "um": 0.001, "µm": 0.001, "micron": 0.001, "nm": 1e-6}

Fields = dict[str, str]


def read_nrrd(path: Path) -> tuple[Stored, Grid3]:
    """Where the voxels are and what is known of the grid.

    Raises :class:`UserError`, or ValueError, IndexError, KeyError for fields that make no sense.
    """
    fields, length = _fields(beginning(path))
    sizes = counts(fields["sizes"])
    if len(sizes) != int(fields["dimension"]) or not 2 <= len(sizes) <= 16:
        raise ValueError("dimension")
    spatial = _spatial_axes(fields, sizes)
    first, stop = spatial[0], spatial[-1] + 1
    if stop - first != len(spatial):
        raise unusual("keeps other axes between those of the volume")
    columns, rows, slices = (*sizes[first:stop], 1)[:3]
    channels, dtype = int(np.prod([1, *sizes[:first]], dtype=object)), _dtype(fields)
    kind = _kinds(fields, len(sizes))[0] if first == 1 else ""
    colour = dtype.name == "uint8" and (_COLOURS.get(kind) == channels or (channels == 3 and kind.startswith("3-c")))
    place, start = (file_beside(path, _data_name(fields)), 0) if _data_name(fields) else (path, length)
    packed = _packed(fields)
    start, offset = _skipped(fields, place, start, packed)
    stored = Stored(
        place,
        start,
        offset,
        packed,
        dtype,
        (slices, rows, columns),
        channels,
        int(np.prod([1, *sizes[stop:]], dtype=object)),
        colour=colour or (dtype.name == "uint8" and channels == 3 and kind in ("vector", "3-vector")),
    )
    if offset == -1:
        raise unusual("says that its voxels are at its end, but packs them")
    return stored, _grid(fields, spatial, len(sizes))


def _fields(head: bytes) -> tuple[Fields, int]:
    """Field names in small letters with their texts, and the header's length with its empty line."""
    if not re.match(rb"NRRD000[1-9]\r?\n", head):
        raise UserError("The file is no NRRD file.", "It may be damaged or of another format.")
    end = re.search(rb"\r?\n\r?\n", head)
    text = (head[: end.start()] if end else head).decode("utf-8", "replace")
    fields: Fields = {}
    for line in re.split("\r?\n", text)[1:]:
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            fields.setdefault(name.strip().lower().replace(" ", ""), value.strip())
    return fields, end.end() if end else len(head)


def _kinds(fields: Fields, axes: int) -> list[str]:
    kinds = fields.get("kinds", "").lower().split()
    return kinds if len(kinds) == axes else [""] * axes


def _spatial_axes(fields: Fields, sizes: list[int]) -> list[int]:
    """Axes of the volume: by their directions, else by their kinds, else the first three (after a few components)."""
    axes = range(len(sizes))
    kinds = _kinds(fields, len(sizes))
    vectors = _vectors(fields.get("spacedirections", ""))
    if len(vectors) == len(sizes):
        found = [axis for axis in axes if vectors[axis] is not None]
    elif any(kinds):
        found = [axis for axis in axes if kinds[axis] in _SPATIAL]
    else:
        before = 1 if len(sizes) > 3 and sizes[0] <= 4 < min(sizes[1:4]) else 0
        found = list(axes)[before : before + 3]
    if not 2 <= len(found) <= 4:
        raise no_volume()
    return found[:3]  # ITK writes time as a fourth axis of space


def _vectors(text: str) -> list[NDArray[np.float64] | None]:
    """``(1,0,0) none (0,1,0)`` as vectors; None stands for an axis that is not in space."""
    words = re.findall(r"\(([^)]*)\)|(\bnone\b)", text)
    return [None if none else numbers(vector) for vector, none in words]


def _dtype(fields: Fields) -> np.dtype[np.generic]:
    code = _CODES.get(" ".join(fields["type"].lower().split()))
    if code is None:
        raise unusual("holds numbers of an unusual type")
    order = fields.get("endian", "little").lower()
    if order not in ("little", "big"):
        raise ValueError("endian")
    return np.dtype(("<" if order == "little" else ">") + code)


def _data_name(fields: Fields) -> str:
    name = fields.get("datafile", "")
    if name.split(" ")[0] == "LIST" or "%" in name:
        raise unusual("spreads its voxels over several files")
    return name


def _packed(fields: Fields) -> bool:
    encoding = fields.get("encoding", "raw").lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise unusual("packs its voxels in an unusual way")
    return encoding != "raw"


def _skipped(fields: Fields, place: Path, start: int, packed: bool) -> tuple[int, int]:
    """(bytes before the stream, bytes before the voxels in it) after ``line skip`` and ``byte skip``."""
    lines, skip = int(fields.get("lineskip", 0)), int(fields.get("byteskip", 0))
    if lines < 0 or skip < -1 or (packed and skip == -1):
        raise ValueError("skip")
    if lines:
        with place.open("rb") as stream:
            stream.seek(start)
            for _ in range(min(lines, 10_000)):
                stream.readline(1 << 20)
            start = stream.tell()
    if skip == -1:
        sizes = counts(fields["sizes"])
        start = place.stat().st_size - int(np.prod(sizes, dtype=object)) * _dtype(fields).itemsize
        skip = 0
    if start < 0:
        raise ValueError("skip")
    return start, skip


def _grid(fields: Fields, spatial: list[int], axes: int) -> Grid3:
    unit = _UNITS.get((re.findall(r'"([^"]*)"', fields.get("spaceunits", fields.get("units", ""))) or ["mm"])[0], 1.0)
    name = fields.get("space", "").lower()
    known_spaces = (np.array(sign) for space, sign in _SPACES.items() if name in (space, f"{space}-time", f"{space}t"))
    signs = next(known_spaces, None)
    vectors = _vectors(fields.get("spacedirections", ""))
    chosen = [vectors[axis] for axis in spatial] if len(vectors) == axes else []
    rows = [vector for vector in chosen if vector is not None]
    origin = next((vector for vector in _vectors(fields.get("spaceorigin", "")) if vector is not None), None)
    if not rows:
        spacings = numbers(fields["spacings"]) if "spacings" in fields else None
        usable = spacings is not None and len(spacings) == axes
        return Grid3(spacings[spatial] * unit if spacings is not None and usable else None, None, None, oriented=False)
    wide = np.array([np.append(row, [0.0, 0.0, 0.0])[:3] for row in rows]) * unit
    with np.errstate(all="ignore"):
        spacing = np.linalg.norm(wide, axis=1)
        directions = wide / spacing[:, None]
    known = signs is not None and all(len(row) >= 3 for row in rows)
    turned = np.ones(3) if signs is None else signs
    place = None if origin is None else np.append(origin, [0.0, 0.0, 0.0])[:3] * unit * turned
    return Grid3(spacing, directions * turned, place, oriented=known)
