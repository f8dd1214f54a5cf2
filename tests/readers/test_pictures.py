"""Pictures against Pillow's encoders, tifffile and arithmetic."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study
from saliency_viewer.readers import pictures as bounds

_RNG = np.random.default_rng(0)
_GREY = _RNG.integers(0, 256, (5, 7), dtype=np.uint8)
_DEEP = _RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
_RGB = _RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
_ALPHA = _RNG.integers(0, 256, (5, 7), dtype=np.uint8)


def _shown(path: Path) -> Any:
    volume = open_study(path).series[0].load()
    assert (volume.geometry.calibration, volume.geometry.oriented) == ("none", False)
    return volume.array[0] if volume.colour is None else volume.colour[0]


def _over_black(colours: Any, alpha: Any) -> Any:
    exact = colours.astype(float) * (alpha[..., None] if colours.ndim == 3 else alpha) / 255
    return np.floor(exact + 0.5).astype(np.uint8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4"])
@pytest.mark.parametrize("packed", [None, "zlib"])
def test_tiff_of_every_number_keeps_its_values(tmp_path: Path, order: str, dtype: str, packed: str | None) -> None:
    limits = np.iinfo(dtype) if dtype[0] != "f" else np.iinfo("i4")
    values = _RNG.integers(limits.min, limits.max, (5, 7), endpoint=True).astype(dtype)
    values.flat[:2] = limits.min, limits.max
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order, photometric="minisblack", compression=packed)
    found = _shown(tmp_path / "a.tif")
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("values", [_GREY, _DEEP], ids=["8", "16"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_where_zero_is_white_a_higher_value_is_brighter_still(
    tmp_path: Path, order: str, values: Any, tile: Any
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=order, photometric="miniswhite", tile=tile)
    top = np.iinfo(values.dtype).max
    np.testing.assert_array_equal(_shown(tmp_path / "a.tif"), top - values)


@pytest.mark.parametrize("packing", ["tiff_lzw", "tiff_deflate", "packbits", "zstd", "lzma"])
def test_packed_tiff_keeps_its_values(tmp_path: Path, packing: str) -> None:
    Image.fromarray(_DEEP).save(tmp_path / "a.tif", compression=packing)
    np.testing.assert_array_equal(_shown(tmp_path / "a.tif"), _DEEP)


def test_pages_of_one_kind_are_a_stack(tmp_path: Path) -> None:
    stack = _RNG.integers(0, 65536, (6, 5, 7), dtype=np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for plane in stack:
            writer.write(plane, photometric="minisblack", contiguous=False, resolution=(300, 300))
    series = open_study(tmp_path / "a.tif").series
    assert len(series) == 1
    assert (series[0].slices, series[0].spacing_mm, series[0].orientation) == (6, None, "unknown")
    np.testing.assert_array_equal(series[0].load().array, stack)


def test_pages_of_several_kinds_are_several_series(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in (_DEEP, _GREY, _DEEP + 1, _GREY[:3]):
            writer.write(page, photometric="minisblack", contiguous=False)
        writer.write(_RGB, photometric="rgb", contiguous=False)
    study = open_study(tmp_path / "a.tif")
    assert [one.number for one in study.series] == [1, 2, 3, 4]
    assert len({one.uid for one in study.series}) == 4
    first, second, third, fourth = (one.load() for one in study.series)
    np.testing.assert_array_equal(first.array, [_DEEP, _DEEP + 1])
    np.testing.assert_array_equal(second.array, [_GREY])
    np.testing.assert_array_equal(third.array, [_GREY[:3]])
    np.testing.assert_array_equal(fourth.colour, [_RGB])


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "b.tif", "a.jpg"])
def test_every_camera_turn_stands_upright(tmp_path: Path, turn: int, name: str) -> None:
    path = tmp_path / name
    exif = Image.Exif()
    exif[0x0112] = turn
    packing = {"compression": "tiff_lzw"} if name == "b.tif" else {}
    Image.fromarray(_GREY).save(path, exif=exif, **packing)
    with Image.open(path) as picture:
        stored = picture.convert("L") if path.suffix == ".jpg" else Image.fromarray(_GREY)
    carrier = Image.fromarray(np.asarray(stored))
    carrier.getexif()[0x0112] = turn
    series = open_study(path).series[0]
    expected = np.asarray(ImageOps.exif_transpose(carrier))
    assert (series.rows, series.columns) == expected.shape
    np.testing.assert_array_equal(series.load().array[0], expected)


def test_a_turn_written_behind_the_pixels_counts_and_none_is_found_without_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_GREY).save(tmp_path / "a.png", exif=exif)
    block = (tmp_path / "a.png").read_bytes()
    at = block.index(b"eXIf") - 4
    chunk = block[at : at + 12 + int.from_bytes(block[at : at + 4], "big")]
    rest = block.replace(chunk, b"")
    end = rest.index(b"IEND") - 4
    (tmp_path / "b.png").write_bytes(rest[:end] + chunk + rest[end:])
    np.testing.assert_array_equal(_shown(tmp_path / "b.png"), np.rot90(_GREY, -1))
    Image.fromarray(_GREY).save(tmp_path / "c.png")
    monkeypatch.setattr(Image.core, "new", lambda *_: pytest.fail("decoded"))
    assert open_study(tmp_path / "c.png").series[0].rows == 5


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([_GREY, _ALPHA])).save(tmp_path / "la.png")
    np.testing.assert_array_equal(_shown(tmp_path / "la.png"), _over_black(_GREY, _ALPHA))
    Image.fromarray(np.dstack([_RGB, _ALPHA])).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(_shown(tmp_path / "rgba.png"), _over_black(_RGB, _ALPHA))
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 200, 100, 50])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=1)
    np.testing.assert_array_equal(_shown(tmp_path / "p.png"), [[9, 0]])


@pytest.mark.parametrize("colours", [2, 4, 16, 256])
def test_palettes_of_every_depth(tmp_path: Path, colours: int) -> None:
    table = _RNG.integers(0, 256, (colours, 3), dtype=np.uint8)
    indices = _RNG.integers(0, colours, (9, 11), dtype=np.uint8)
    picture = Image.new("P", (11, 9))
    picture.putpalette(table.ravel().tolist())
    picture.putdata(indices.ravel().tolist())
    for name in ("a.png", "a.bmp", "a.tif"):
        picture.save(tmp_path / name)
        np.testing.assert_array_equal(_shown(tmp_path / name), table[indices])


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_single_bits_are_black_and_white(tmp_path: Path, name: str) -> None:
    Image.fromarray(_GREY > 99).save(tmp_path / name)
    np.testing.assert_array_equal(_shown(tmp_path / name), (_GREY > 99) * 255)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_printers_colours_become_red_green_blue(tmp_path: Path, mode: str) -> None:
    four = np.dstack([_RGB, _ALPHA])
    stored = Image.frombytes(mode, (7, 5), (four if mode == "CMYK" else _RGB).tobytes())
    stored.save(tmp_path / "a.tif")
    expected = np.asarray(stored.convert("RGB"))
    np.testing.assert_array_equal(_shown(tmp_path / "a.tif"), expected)


def test_bmp_from_the_top_down_and_with_run_lengths(tmp_path: Path) -> None:
    rows = b"".join(bytes(row) + b"\0" for row in _GREY)
    table = b"".join(bytes([k, k, k, 0]) for k in range(256))

    def bitmap(height: int, packing: int, data: bytes) -> bytes:
        info = struct.pack("<IiiHHIIiiII", 40, 7, height, 1, 8, packing, len(data), 0, 0, 256, 256)
        return b"BM" + struct.pack("<IHHI", 14 + 40 + 1024 + len(data), 0, 0, 14 + 40 + 1024) + info + table + data

    (tmp_path / "down.bmp").write_bytes(bitmap(-5, 0, rows))
    np.testing.assert_array_equal(_shown(tmp_path / "down.bmp"), _GREY)
    runs = b"".join(b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in _GREY[::-1]) + b"\0\1"
    (tmp_path / "runs.bmp").write_bytes(bitmap(5, 1, runs))
    np.testing.assert_array_equal(_shown(tmp_path / "runs.bmp"), _GREY)


@pytest.mark.parametrize("name", ["a.jp2", "a.j2k"])
def test_jpeg_2000_without_loss_keeps_its_values(tmp_path: Path, name: str) -> None:
    for values in (_GREY, _DEEP, _RGB):
        Image.fromarray(values).save(tmp_path / name, irreversible=False)
        np.testing.assert_array_equal(_shown(tmp_path / name), values)


def test_webp_without_loss_keeps_its_values(tmp_path: Path) -> None:
    Image.fromarray(_RGB).save(tmp_path / "a.webp", lossless=True)
    np.testing.assert_array_equal(_shown(tmp_path / "a.webp"), _RGB)


def test_colours_of_16_bits_say_that_8_are_shown(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([_DEEP, _DEEP // 2, _DEEP // 3]), photometric="rgb")
    assert any("16 bits in each colour" in words for words in open_study(tmp_path / "a.tif").series[0].warnings)
    Image.fromarray(_RGB).save(tmp_path / "b.png")
    assert not open_study(tmp_path / "b.png").series[0].warnings


def test_resolution_is_no_calibration(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.tif", "a.bmp"):
        Image.fromarray(_GREY).save(tmp_path / name, dpi=(254, 254))
        assert open_study(tmp_path / name).series[0].spacing_mm is None


def _png(columns: int, rows: int, data: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_large_pictures_open_and_too_large_ones_are_refused_by_their_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Image.MAX_IMAGE_PIXELS
    # Pillow's own limits stand at 89 and 179 million; the same proportions, a thousand times smaller.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_000)
    for name in ("a.png", "a.tif", "a.bmp"):
        Image.fromarray(np.zeros((500, 500), np.uint8)).save(tmp_path / name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert open_study(tmp_path / name).series[0].load().array.shape == (1, 500, 500)
        assert Image.MAX_IMAGE_PIXELS == 89_000
    assert before != 89_000
    (tmp_path / "b.png").write_bytes(_png(20_001, 20_001, b""))
    with pytest.raises(UserError, match="too many pixels"):
        open_study(tmp_path / "b.png")


def test_the_limits_come_back_when_the_last_of_several_pictures_is_closed(tmp_path: Path) -> None:
    Image.fromarray(_GREY).save(tmp_path / "a.png")
    before = Image.MAX_IMAGE_PIXELS
    with bounds.opened(tmp_path / "a.png"):
        with bounds.opened(tmp_path / "a.png"):
            assert Image.MAX_IMAGE_PIXELS == bounds.MOST_PIXELS
        assert Image.MAX_IMAGE_PIXELS == bounds.MOST_PIXELS
    assert before == Image.MAX_IMAGE_PIXELS


def test_pictures_with_more_pixels_than_their_bytes_can_hold_are_cut_short(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png(15_000, 15_000, zlib.compress(b"\0" * 900)))
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 50), np.uint8), photometric="minisblack")
    block = bytearray((tmp_path / "a.tif").read_bytes())
    (directory,) = struct.unpack_from("<I", block, 4)
    (entries,) = struct.unpack_from("<H", block, directory)
    for k in range(entries):
        at = directory + 2 + 12 * k
        if struct.unpack_from("<H", block, at) == (257,):  # ImageLength
            struct.pack_into("<HII", block, at + 2, 4, 1, 4000)
    (tmp_path / "a.tif").write_bytes(block)
    for name in ("a.png", "a.tif"):
        with pytest.raises(UserError, match="cut short"):
            open_study(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.webp", "a.jp2"])
def test_a_picture_cut_in_half_says_so(tmp_path: Path, name: str) -> None:
    Image.fromarray(_RNG.integers(0, 256, (80, 90), dtype=np.uint8)).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"cut short|damaged"):
        open_study(tmp_path / name).series[0].load()


def test_formats_that_are_not_read_say_what_to_do(tmp_path: Path) -> None:
    Image.fromarray(_RGB).save(tmp_path / "a.gif")
    with pytest.raises(UserError, match="GIF"):
        open_study(tmp_path / "a.gif")
    tifffile.imwrite(tmp_path / "a.tif", _GREY.astype(np.float64), photometric="minisblack")
    with pytest.raises(UserError, match="encoded in a way"):
        open_study(tmp_path / "a.tif")
    Image.fromarray(_GREY).save(tmp_path / "b.jpg")
    block = bytearray((tmp_path / "b.jpg").read_bytes())
    at = block.index(b"\xff\xc0")
    block[at + 4] = 12  # bits per sample of an extended sequential frame
    (tmp_path / "b.jpg").write_bytes(block.replace(b"\xff\xc0", b"\xff\xc1", 1))
    with pytest.raises(UserError, match="12 bits"):
        open_study(tmp_path / "b.jpg")
    (tmp_path / "c.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    with pytest.raises(UserError, match="another format"):
        open_study(tmp_path / "c.png")
