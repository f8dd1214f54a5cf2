"""Files with flipped bits, wild numbers, and pieces cut out or put in: a picture or a UserError, and nothing else.

The seed is fixed, so that a failure comes back.
"""

from __future__ import annotations

import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image

from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study

_ROUNDS = 300
_WILD = [
    b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x80",
    b"\0\0\0\0",
    b"\0\0\xc0\x7f",
    b"\0\0\x80\x7f",
    b"\xff\x7f",
    b"99999",
    b"-1 ",
    b"nan",
]
_RNG = np.random.default_rng(0)
_VOLUME = _RNG.integers(-300, 300, (16, 12, 10)).astype(np.int16)
_GREY = _RNG.integers(0, 256, (30, 40), dtype=np.uint8)
_RGB = _RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8)


def _mutated(data: bytes, chance: random.Random) -> bytes:
    kind = chance.random()
    at = chance.randrange(len(data))
    if kind < 0.12:
        return data[:at]
    if kind < 0.2:
        return data[:at] + chance.randbytes(chance.randrange(1, 40)) + data[at:]
    if kind < 0.28:
        return data[:at] + data[at + chance.randrange(1, 200) :]
    block = bytearray(data)
    reach = min(len(block), 600) if chance.random() < 0.8 else len(block)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        place = chance.randrange(reach)
        if chance.random() < 0.5:
            block[place] ^= 1 << chance.randrange(8)
        else:
            wild = chance.choice(_WILD)
            block[place : place + len(wild)] = wild
    return bytes(block)


def _mended_png(data: bytes) -> bytes:
    """Checksums set right again, so that the damage gets past them."""
    block, at = bytearray(data), 8
    while at + 12 <= len(block):
        size = int.from_bytes(block[at : at + 4], "big")
        if at + 12 + size > len(block):
            break
        block[at + 8 + size : at + 12 + size] = zlib.crc32(block[at + 4 : at + 8 + size]).to_bytes(4, "big")
        at += 12 + size
    return bytes(block)


def _nifti(path: Path) -> None:
    image = nibabel.Nifti1Image(np.stack([_VOLUME, _VOLUME], 3), np.diag([-2.0, 2, 3, 1]))
    image.header.set_slope_inter(1.5, 3)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"a note"))
    nibabel.save(image, path)


def _nifti2(path: Path) -> None:
    nibabel.save(nibabel.Nifti2Image(_VOLUME.astype(np.int64), np.eye(4), dtype="int64"), path)


def _itk(path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(_VOLUME.astype(np.float64)), str(path), False)


def _itk_packed(path: Path) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.stack([_RGB] * 3), isVector=True), str(path), True)


def _picture(values: Any, **how: Any) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values).save(path, **how)


def _tiled(path: Path) -> None:
    stack = np.stack([_GREY] * 3).astype(np.uint16)
    tifffile.imwrite(path, stack, photometric="miniswhite", tile=(16, 16))


def _zipped(path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(_GREY).save(stream, "PNG")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/a.png", stream.getvalue())
        archive.writestr("../../evil.png", stream.getvalue())


_SEEDS: dict[str, Callable[[Path], None]] = {
    "a.nii": _nifti,
    "b.nii": _nifti2,
    "a.nii.gz": _nifti,
    "a.nrrd": _itk,
    "b.nrrd": _itk_packed,
    "a.mha": _itk,
    "b.mha": _itk_packed,
    "a.png": _picture(_GREY),
    "b.png": _picture(_RGB),
    "a.tif": _picture(_GREY),
    "b.tif": _picture(_RGB, compression="tiff_lzw"),
    "c.tif": _tiled,
    "a.jpg": _picture(_GREY),
    "b.jpg": _picture(_RGB, progressive=True),
    "a.bmp": _picture(_GREY),
    "a.webp": _picture(_RGB),
    "a.jp2": _picture(_GREY),
    "a.zip": _zipped,
}


@pytest.mark.parametrize("name", list(_SEEDS))
def test_damage_ends_as_a_picture_or_as_a_user_error(tmp_path: Path, name: str) -> None:
    _SEEDS[name](tmp_path / f"whole-{name}")
    whole = (tmp_path / f"whole-{name}").read_bytes()
    folder = tmp_path / "damaged"
    folder.mkdir()
    chance = random.Random(name)
    opened, refusals = 0, []
    for _ in range(_ROUNDS):
        if name.endswith(".gz") and chance.random() < 0.6:
            data = gzip.compress(_mutated(gzip.decompress(whole), chance), 1)
        else:
            data = _mutated(whole, chance)
        if name.endswith(".png") and chance.random() < 0.8:
            data = _mended_png(data)
        (folder / name).write_bytes(data)
        try:
            for one in open_study(folder / name).series[:3]:
                volume = one.load()
                assert volume.array.shape == (one.slices, one.rows, one.columns)
                opened += 1
        except UserError as error:
            refusals.append(f"{error} {error.detail}")
    assert opened
    assert refusals
    assert str(tmp_path) not in "".join(refusals)
    assert [one.name for one in folder.iterdir()] == [name]
