"""Encodings and kinds of pixels that no test file at hand has, written by foreign encoders and read back.

Lossless ones must give the original's values; lossy ones what dcmtk's own decoder gives.
"""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.encaps import encapsulate, encapsulate_extended

from saliency_viewer.domain import Volume
from saliency_viewer.readers import open_study

_SHAPE = (48, 64)
dcmtk = pytest.mark.skipif(which("dcmcjpeg") is None or which("dcmcjpls") is None, reason="needs dcmtk")


def _grey(bits: int, signed: bool, frames: int = 1) -> NDArray[Any]:
    """(frame, row, column) smooth greys with noise that use all ``bits``."""
    random = np.random.default_rng(bits + signed)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    ramp = np.linspace(low, high, frames * _SHAPE[0] * _SHAPE[1]).reshape(frames, *_SHAPE)
    found = np.clip(ramp + random.normal(0, 2, ramp.shape), low, high)
    found[:, 0, :2] = low, high
    return np.rint(found).astype(np.dtype(f"<{'i' if signed else 'u'}{1 if bits <= 8 else 2}"))


def _attributes(bits: int, signed: bool) -> dict[str, Any]:
    allocated = 8 if bits <= 8 else 16
    return {
        "BitsAllocated": allocated,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(signed),
        "RescaleIntercept": 0,
    }


def _write(make: Any, name: str, pixels: NDArray[Any], **changes: Any) -> Path:
    """A file of (frame, row, column[, 3]) pixels of its own type."""
    path: Path = make(name, np.zeros(_SHAPE), **changes)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = pixels.tobytes()
    if len(pixels) > 1:
        dataset.NumberOfFrames = len(pixels)
        del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    dataset.save_as(path)
    return path


def _run(*command: Any) -> Path:
    """A command whose last argument is the file that it writes."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(command[-1])


def _loaded(path: Path) -> Volume:
    return open_study(path).series[0].load()


def _syntax(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)


def _raw(path: Path, dtype: Any) -> NDArray[Any]:
    """The bytes of an uncompressed file as numbers."""
    return np.frombuffer(pydicom.dcmread(path).PixelData, dtype)


_LOSSLESS = {
    "1.2.840.10008.1.2.4.57": ("dcmcjpeg", "+el"),
    "1.2.840.10008.1.2.4.70": ("dcmcjpeg", "+e1"),
    "1.2.840.10008.1.2.4.80": ("dcmcjpls", "+el"),
    "1.2.840.10008.1.2.5": ("dcmcrle",),
    "1.2.840.10008.1.2.1.99": ("dcmconv", "+td"),
    "1.2.840.10008.1.2.2": ("dcmconv", "+tb"),
    "1.2.840.10008.1.2": ("dcmconv", "+ti"),
}
_KINDS = [(8, False), (8, True), (12, False), (12, True), (16, False), (16, True)]


@dcmtk
@pytest.mark.parametrize(("bits", "signed"), _KINDS)
@pytest.mark.parametrize("syntax", _LOSSLESS)
def test_lossless_encodings_of_dcmtk_give_the_original(
    make: Any, tmp_path: Path, syntax: str, bits: int, signed: bool
) -> None:
    grey = _grey(bits, signed)
    source = _write(make, "a.dcm", grey, **_attributes(bits, signed))
    target = _run(*_LOSSLESS[syntax], source, tmp_path / "b.dcm")
    assert _syntax(target) == syntax
    np.testing.assert_array_equal(_loaded(target).array, grey)


_LOSSY = {
    "1.2.840.10008.1.2.4.50": ("dcmcjpeg", "+eb"),
    "1.2.840.10008.1.2.4.51": ("dcmcjpeg", "+ee"),
    "1.2.840.10008.1.2.4.53": ("dcmcjpeg", "+es"),
    "1.2.840.10008.1.2.4.55": ("dcmcjpeg", "+ep"),
    "1.2.840.10008.1.2.4.81": ("dcmcjpls", "+en"),
}


@dcmtk
@pytest.mark.parametrize(
    ("syntax", "bits"), [(one, bits) for one in _LOSSY for bits in (8, 12) if not (one.endswith(".50") and bits == 12)]
)
def test_lossy_encodings_give_what_dcmtk_gives(make: Any, tmp_path: Path, syntax: str, bits: int) -> None:
    grey = _grey(bits, False)
    source = _write(make, "a.dcm", grey, **_attributes(bits, False))
    target = _run(*_LOSSY[syntax], source, tmp_path / "b.dcm")
    assert _syntax(target) == syntax
    decoder = "dcmdjpls" if syntax.endswith("81") else "dcmdjpeg"
    theirs = _raw(_run(decoder, target, tmp_path / "c.dcm"), grey.dtype).reshape(grey.shape)
    ours = _loaded(target).array
    # Inverse cosine transforms may round otherwise (T.81 A.3.3); the encoder's own loss is far larger.
    assert np.abs(ours.astype(int) - theirs).max() <= (0 if syntax.endswith("81") else 1)
    assert np.abs(ours.astype(int) - grey).max() < 2**bits / 20


@dcmtk
@pytest.mark.parametrize("syntax", list(_LOSSLESS))
def test_an_inverted_file_of_any_encoding_is_its_twin(make: Any, tmp_path: Path, syntax: str) -> None:
    grey = _grey(12, False)
    changes = {**_attributes(12, False), "PhotometricInterpretation": "MONOCHROME1"}
    source = _write(make, "a.dcm", 4095 - grey, **changes)
    np.testing.assert_array_equal(_loaded(_run(*_LOSSLESS[syntax], source, tmp_path / "b.dcm")).array, grey)


def _colours(frames: int = 1) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[: _SHAPE[0], : _SHAPE[1]]
    picture = np.stack([rows * 5, columns * 4, (rows + columns) * 2], -1) % 256
    return np.stack([np.roll(picture, 7 * k, axis=1) for k in range(frames)]).astype(np.uint8)


_RGB: dict[str, Any] = {
    **_attributes(8, False),
    "SamplesPerPixel": 3,
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
}


@dcmtk
@pytest.mark.parametrize("syntax", _LOSSLESS)
@pytest.mark.parametrize("planar", [0, 1])
def test_colours_of_any_lossless_encoding_come_back(make: Any, tmp_path: Path, syntax: str, planar: int) -> None:
    colours = _colours()
    written = np.moveaxis(colours, -1, 1) if planar else colours
    source = _write(make, "a.dcm", written, **{**_RGB, "PlanarConfiguration": planar})
    found = _loaded(_run(*_LOSSLESS[syntax], source, tmp_path / "b.dcm")).colour
    assert found is not None
    np.testing.assert_array_equal(found, colours)


@dcmtk
@pytest.mark.parametrize("flag", ["+eb", "+ee", "+es", "+ep"])
@pytest.mark.parametrize("space", [("+cy", "+s4"), ("+cy", "+s2"), ("+cr",)])
def test_lossy_colours_are_those_of_dcmtk(make: Any, tmp_path: Path, flag: str, space: tuple[str, ...]) -> None:
    """+cy writes YBR with chroma of full or half resolution, +cr leaves RGB."""
    colours = _colours()
    target = _run("dcmcjpeg", flag, *space, _write(make, "a.dcm", colours, **_RGB), tmp_path / "b.dcm")
    theirs = _raw(_run("dcmdjpeg", "+cp", target, tmp_path / "c.dcm"), np.uint8).reshape(colours.shape)
    found = _loaded(target).colour
    assert found is not None
    assert np.abs(found.astype(int) - theirs).max() <= 1


def test_full_ybr_is_turned_into_rgb_by_the_standards_equation(make: Any) -> None:
    colours = _colours()
    red, green, blue = np.moveaxis(colours.astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    ybr = np.stack([luma, (blue - luma) / 1.772 + 128, (red - luma) / 1.402 + 128], -1)
    written = np.clip(np.rint(ybr), 0, 255).astype(np.uint8)
    found = _loaded(_write(make, "a.dcm", written, **{**_RGB, "PhotometricInterpretation": "YBR_FULL"})).colour
    assert found is not None
    assert np.abs(found.astype(int) - colours).max() <= 2


@dcmtk
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.1.99"])
def test_palettes_of_any_encoding_show_their_colours(make: Any, tmp_path: Path, syntax: str) -> None:
    grey = _grey(8, False)
    path = _write(make, "a.dcm", grey, **{**_attributes(8, False), "PhotometricInterpretation": "PALETTE COLOR"})
    table = np.random.default_rng(9).integers(0, 256, (3, 256)).astype(np.uint16)
    dataset = pydicom.dcmread(path)
    for k, colour in enumerate(("Red", "Green", "Blue")):
        dataset.add_new(0x00281101 + k, "US", [256, 0, 16])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", (table[k] * 257).astype("<u2").tobytes())
    dataset.save_as(path)
    found = _loaded(_run(*_LOSSLESS[syntax], path, tmp_path / "b.dcm")).colour
    assert found is not None
    np.testing.assert_array_equal(found, np.moveaxis(table[:, grey], 0, -1))


_J2K = "1.2.840.10008.1.2.4.90"


@pytest.mark.parametrize(("bits", "signed"), _KINDS)
def test_jpeg_2000_of_openjpeg_gives_the_original(make: Any, bits: int, signed: bool) -> None:
    grey = _grey(bits, signed)
    path = _write(make, "a.dcm", grey, **_attributes(bits, signed))
    dataset = pydicom.dcmread(path)
    dataset.compress(_J2K, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.save_as(path)
    np.testing.assert_array_equal(_loaded(path).array, grey)


def _encoded(path: Path, frames: int) -> list[bytes]:
    """The compressed pictures of a file that dcmtk or openjpeg wrote."""
    from pydicom.encaps import generate_frames

    return list(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=frames))


@dcmtk
@pytest.mark.parametrize("table", ["offsets", "none", "extended", "pieces", "pieces without offsets"])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", _J2K])
def test_many_frames_are_found_however_they_are_cut(make: Any, tmp_path: Path, syntax: str, table: str) -> None:
    grey = _grey(12, False, frames=4)
    path = _write(make, "a.dcm", grey, **_attributes(12, False))
    if syntax == _J2K:
        dataset = pydicom.dcmread(path)
        dataset.compress(_J2K, encoding_plugin="pylibjpeg", generate_instance_uid=False)
        dataset.save_as(path)
    else:
        path = _run(*_LOSSLESS[syntax], path, tmp_path / "b.dcm")
    pictures, dataset = _encoded(path, 4), pydicom.dcmread(path)
    if table == "extended":
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(
            pictures
        )
    else:
        pieces = 3 if table.startswith("pieces") else 1
        dataset.PixelData = encapsulate(pictures, fragments_per_frame=pieces, has_bot=table in ("offsets", "pieces"))
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "c.dcm")
    np.testing.assert_array_equal(_loaded(tmp_path / "c.dcm").array, grey)


@pytest.mark.parametrize("bits", [8, 16])
def test_deflated_frames_are_inflated_one_by_one(make: Any, bits: int) -> None:
    """Deflated Image Frame Compression (PS3.5 A.4.13): every frame is a raw deflate stream of its own."""
    grey = _grey(bits, False, frames=3)
    path = _write(make, "a.dcm", grey, **_attributes(bits, False))
    packed = []
    for frame in grey:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        stream = packer.compress(frame.tobytes()) + packer.flush()
        packed.append(stream + b"\0" * (len(stream) % 2))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = _J2K
    dataset.PixelData = encapsulate(packed)
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    # pydicom does not know this syntax, so its name is written over another one of as many letters.
    path.write_bytes(path.read_bytes().replace(_J2K.encode(), b"1.2.840.10008.1.2.8.1\0"))
    np.testing.assert_array_equal(_loaded(path).array, grey)
