"""What stands in front of a NIfTI file's voxels.

NIfTI-1 (348 bytes) and NIfTI-2 (540), in either byte order, and Analyze 7.5, NIfTI-1's ancestor. Fields are at the
places that nifti1.h and nifti2.h give them; a field of no meaning for the picture is not looked at.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from saliency_viewer.errors import UserError
from saliency_viewer.readers.inflate import Inflater
from saliency_viewer.readers.voxels import Stored

_MOST_HEADER = 16 * 2**20  # bytes with all extensions
_FIELDS_1 = {
    "dim": (40, "8h"),
    "intent": (68, "h"),
    "datatype": (70, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "slope": (112, "f"),
    "inter": (116, "f"),
    "units": (123, "B"),
    "codes": (252, "2h"),
    "quaternion": (256, "6f"),
    "srow": (280, "12f"),
}
_FIELDS_2 = {
    "dim": (16, "8q"),
    "intent": (504, "i"),
    "datatype": (12, "h"),
    "pixdim": (104, "8d"),
    "vox_offset": (168, "q"),
    "slope": (176, "d"),
    "inter": (184, "d"),
    "units": (500, "i"),
    "codes": (344, "2i"),
    "quaternion": (352, "6d"),
    "srow": (400, "12d"),
}
_SIZES = {348: _FIELDS_1, 540: _FIELDS_2}
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COLOURS = {128: 3, 2304: 4}
_NAMES = {1: "single bits", 32: "complex numbers", 1792: "complex numbers", 2048: "complex numbers"}
_CIFTI = range(3000, 3100)
_VECTOR = 1007


@dataclass(frozen=True)
class Extension:
    """A note after the header: its code and its bytes, without the zeros that fill it."""

    code: int
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class NiftiHeader:
    """The fields that matter. ``zooms`` are pixdim[1:4]; ``srow`` is (3, 4); ``quaternion`` is b, c, d, x, y, z."""

    kind: str
    shape: tuple[int, ...]
    datatype: int
    order: str
    intent: int
    zooms: tuple[float, ...]
    handed: float
    data_offset: int
    slope: float
    intercept: float
    units: int
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    srow: Any
    extensions: tuple[Extension, ...]
    single: bool


def read_header(path: Path) -> NiftiHeader:
    """The header of a .nii or .hdr file, packed or not. Raises :class:`UserError` for anything else."""
    head = _start(path, 544)
    size, order = _size_and_order(head)
    if len(head) < size:
        raise _damaged("header cut short")
    fields = {name: struct.unpack_from(order + code, head, at) for name, (at, code) in _SIZES[size].items()}
    magic = head[344:348] if size == 348 else head[4:8]
    known = magic[:2] in (b"n+", b"ni") and magic[2:4] in (b"1\0", b"2\0")
    single = known and magic[1:2] == b"+"
    if not known and not path.name.lower().endswith((".hdr", ".hdr.gz")):
        raise _damaged("magic")
    offset = fields["vox_offset"][0]
    if not math.isfinite(offset) or not 0 <= offset <= _MOST_HEADER:
        raise _damaged("vox_offset")
    start = max(int(offset), size + 4) if single else int(offset)
    coded = fields["codes"] if known else (0, 0)
    return NiftiHeader(
        kind=("NIfTI-2" if size == 540 else "NIfTI-1") if known else "Analyze 7.5",
        shape=_shape(fields["dim"]),
        datatype=fields["datatype"][0],
        order=order,
        intent=fields["intent"][0] if known else 0,
        zooms=tuple(fields["pixdim"][1:4]),
        handed=-1.0 if fields["pixdim"][0] < 0 else 1.0,
        data_offset=start,
        slope=fields["slope"][0],
        intercept=fields["inter"][0] if known else 0.0,
        units=fields["units"][0] & 7 if known else 0,
        qform_code=coded[0],
        sform_code=coded[1],
        quaternion=fields["quaternion"],
        srow=np.array(fields["srow"], dtype=np.float64).reshape(3, 4),
        extensions=_extensions(path, size, start if single else 0, order) if known else (),
        single=single,
    )


def stored_voxels(header: NiftiHeader, path: Path) -> Stored:
    """Where the voxels lie in ``path``. Raises :class:`UserError` for numbers that are no picture."""
    channels = _COLOURS.get(header.datatype, 1)
    code = "u1" if header.datatype in _COLOURS else _TYPES.get(header.datatype)
    if code is None:
        what = _NAMES.get(header.datatype, "numbers of an unusual type")
        raise UserError(f"The file holds {what}, which are no picture.", "Save it with whole or decimal numbers.")
    if header.intent in _CIFTI or math.prod(header.shape[:3]) == 1 < math.prod(header.shape):
        raise UserError("The file holds values on a surface (CIFTI), not a volume.", "Choose a file with a 3D image.")
    scaled = header.slope != 0 and math.isfinite(header.slope) and header.datatype not in _COLOURS
    if scaled and not math.isfinite(header.intercept):
        raise UserError("The file's scale of values is not a number.", "Save it again with the program that made it.")
    columns, rows, slices = (*header.shape, 1, 1)[:3]
    return Stored(
        path=path,
        start=0,
        offset=header.data_offset,
        packed=is_packed(path),
        dtype=np.dtype(header.order + code),
        shape=(slices, rows, columns),
        channels=channels,
        volumes=math.prod(header.shape[3:]),
        slope=header.slope if scaled else 1.0,
        intercept=header.intercept if scaled else 0.0,
        colour=header.datatype in _COLOURS,
    )


def is_packed(path: Path) -> bool:
    """Whether the file is gzip, by content: names do not always tell."""
    try:
        with path.open("rb") as stream:
            return stream.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise UserError("The file may not be read.", "Check that it is still there.", type(error).__name__) from error


def _start(path: Path, count: int) -> bytes:
    """The first bytes, unpacked; fewer where the file ends."""
    buffer = bytearray(count)
    packed = is_packed(path)
    try:
        with path.open("rb") as stream:
            found = Inflater(stream).readinto(memoryview(buffer)) if packed else stream.readinto(buffer)
    except Exception as error:  # zlib's, ISA-L's and the system's errors share no class
        raise _damaged(type(error).__name__) from error
    return bytes(buffer[:found])


def _size_and_order(head: bytes) -> tuple[int, str]:
    for order in "<>":
        if len(head) >= 4:
            (size,) = struct.unpack_from(order + "i", head)
            if size in _SIZES:
                return size, order
    raise _damaged("sizeof_hdr")


def _shape(dim: tuple[int, ...]) -> tuple[int, ...]:
    axes = dim[0]
    if not 2 <= axes <= 7 or min(dim[1 : axes + 1]) < 1:
        raise UserError("The NIfTI file holds no volume.", "Choose a file with a 3D image.", f"{axes} axes")
    return tuple(dim[1 : axes + 1])


def _extensions(path: Path, size: int, stop: int, order: str) -> tuple[Extension, ...]:
    """Notes between header and voxels, up to the first one that is damaged (they are notes, not the image)."""
    block = _start(path, min(stop, _MOST_HEADER))[size:] if stop > size + 4 else b""
    found, at = [], 4
    while block[:1] not in (b"", b"\0") and at + 16 <= len(block):
        length, code = struct.unpack_from(order + "2i", block, at)
        if length < 8 or at + length > len(block):
            break
        found.append(Extension(code, block[at + 8 : at + length].rstrip(b"\0")))
        at += length
    return tuple(found)


def _damaged(detail: str) -> UserError:
    return UserError(
        "The file is no readable NIfTI image.", "It may be damaged, cut short or of another format.", detail
    )
