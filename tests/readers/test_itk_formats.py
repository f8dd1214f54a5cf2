"""NRRD and MetaImage against SimpleITK; what the headers leave out stays unknown, and they lead nowhere else."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK

from saliency_viewer.errors import UserError
from saliency_viewer.readers import load_regions, open_study, voxels
from saliency_viewer.spatial import Geometry

_DATA = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5) - 20
_NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 5 4 3\nendian: little\nencoding: raw\n"
_META = "ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nElementType = MET_SHORT\n"


def _image(data: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    image: Any = SimpleITK.GetImageFromArray(data)
    image.SetSpacing(rng.uniform(0.3, 4, 3).tolist())
    image.SetOrigin(rng.uniform(-200, 200, 3).tolist())
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    image.SetDirection(turn.ravel().tolist())
    return image


def _nrrd(path: Path, more: str = "", head: str = _NRRD, data: bytes = _DATA.tobytes()) -> Path:
    path.write_bytes(f"{head}{more}\n".encode() + data)
    return path


def _meta(path: Path, more: str = "", head: str = _META, data: bytes = _DATA.tobytes()) -> Path:
    path.write_bytes(f"{head}{more}ElementDataFile = LOCAL\n".encode() + data)
    return path


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_values_and_places_are_simpleitks(tmp_path: Path, name: str, packed: bool, dtype: str) -> None:
    data = (_DATA + 20).astype(dtype)
    image = _image(data, seed=len(dtype + name))
    SimpleITK.WriteImage(image, str(tmp_path / name), packed)
    volume = open_study(tmp_path / name).series[0].load()
    np.testing.assert_array_equal(volume.array, data)
    assert volume.array.dtype.itemsize <= 4
    assert (volume.geometry.calibration, volume.geometry.oriented, volume.warnings) == ("patient", True, ())
    for index in ([0, 0, 0], [4, 3, 2], [1, 0, 2]):
        theirs = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(volume.geometry.to_patient(index[::-1]), theirs, atol=1e-4)


@pytest.mark.parametrize("space", ["right-anterior-superior", "LAS", "left-posterior-superior", "RAS"])
def test_every_space_that_itk_knows_becomes_lps(tmp_path: Path, space: str) -> None:
    directions = "space directions: (0.5,0,0) (0,0.6,0.1) (0,-0.2,2)\nspace origin: (1,2,3)\n"
    path = _nrrd(tmp_path / "a.nrrd", f"space: {space}\n{directions}kinds: domain domain domain\n")
    volume = open_study(path).series[0].load()
    image = SimpleITK.ReadImage(str(path))
    assert volume.geometry.oriented
    for index in ([0, 0, 0], [4, 3, 2]):
        theirs = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(volume.geometry.to_patient(index[::-1]), theirs, atol=1e-5)


@pytest.mark.parametrize("space", ["space: scanner-xyz\n", "space dimension: 3\n", "space: 3D-right-handed\n"])
def test_spaces_without_sides_give_sizes_only(tmp_path: Path, space: str) -> None:
    path = _nrrd(tmp_path / "a.nrrd", f"{space}space directions: (0.5,0,0) (0,0.6,0) (0,0,2)\n")
    series = open_study(path).series[0]
    assert series.orientation == "unknown"
    assert series.spacing_mm == pytest.approx((2, 0.6, 0.5))
    assert any("which side" in words for words in series.warnings)


def test_sizes_without_directions_are_millimetres_without_sides(tmp_path: Path) -> None:
    series = open_study(_nrrd(tmp_path / "a.nrrd", "spacings: 0.5 0.6 2\n")).series[0]
    assert (series.orientation, series.spacing_mm) == ("unknown", pytest.approx((2, 0.6, 0.5)))
    series = open_study(_meta(tmp_path / "a.mha", "ElementSpacing = 0.5 0.6 2\n")).series[0]
    assert (series.orientation, series.spacing_mm) == ("unknown", pytest.approx((2, 0.6, 0.5)))
    series = open_study(_nrrd(tmp_path / "b.nrrd", 'spacings: 500 600 2000\nunits: "um" "um" "um"\n')).series[0]
    assert series.spacing_mm == pytest.approx((2, 0.6, 0.5))


@pytest.mark.parametrize("more", ["", "spacings: nan nan nan\n", "spacings: 0 1 1\n", "spacings: 1 1 inf\n"])
def test_nrrd_without_usable_sizes_has_no_millimetres(tmp_path: Path, more: str) -> None:
    series = open_study(_nrrd(tmp_path / "a.nrrd", more)).series[0]
    assert series.spacing_mm is None
    assert series.load().geometry.calibration == "none"
    np.testing.assert_array_equal(series.load().array, _DATA)


@pytest.mark.parametrize("more", ["", "ElementSpacing = 0 0 0\n", "ElementSpacing = nan 1 1\n"])
def test_metaimage_without_usable_sizes_has_no_millimetres(tmp_path: Path, more: str) -> None:
    series = open_study(_meta(tmp_path / "a.mha", more)).series[0]
    assert series.spacing_mm is None
    np.testing.assert_array_equal(series.load().array, _DATA)


_NO_ROOM = ["0 0 0 0 0 0 0 0 0", "1 0 0 1 0 0 0 0 1", "nan 0 0 0 1 0 0 0 1", "1e200 0 0 0 1 0 0 0 1"]


@pytest.mark.parametrize("matrix", _NO_ROOM)
def test_directions_that_span_no_room_leave_sides_unknown(tmp_path: Path, matrix: str) -> None:
    path = _meta(tmp_path / "a.mha", f"TransformMatrix = {matrix}\nElementSpacing = 1 2 3\n")
    series = open_study(path).series[0]
    assert (series.orientation, series.spacing_mm) == ("unknown", pytest.approx((3, 2, 1)))
    assert any("orientation is not usable" in words for words in series.warnings)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_time_points_are_series(tmp_path: Path, name: str) -> None:
    data = np.stack([_DATA, _DATA + 1000]).astype(np.float32)
    SimpleITK.WriteImage(SimpleITK.JoinSeries([_image(one) for one in data]), str(tmp_path / name))
    study = open_study(tmp_path / name)
    assert [one.uid for one in study.series] == [study.uid, f"{study.uid}#2"]
    for k, one in enumerate(study.series):
        np.testing.assert_array_equal(one.load().array, data[k])


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
@pytest.mark.parametrize("channels", [2, 3, 6])
def test_components_next_to_each_other_are_series(tmp_path: Path, name: str, channels: int) -> None:
    data = np.random.default_rng(0).standard_normal((3, 4, 5, channels)).astype(np.float32)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(data, isVector=True), str(tmp_path / name), True)
    study = open_study(tmp_path / name)
    assert len(study.series) == channels
    for k, one in enumerate(study.series):
        np.testing.assert_array_equal(one.load().array, data[..., k])


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_three_bytes_are_a_colour(tmp_path: Path, name: str) -> None:
    data = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(data, isVector=True), str(tmp_path / name))
    volume = open_study(tmp_path / name).series[0].load()
    assert volume.colour is not None
    np.testing.assert_array_equal(volume.colour, data)
    grey = data.astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(volume.array - grey).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha"])
def test_a_flat_image_is_one_slice_of_unknown_sides(tmp_path: Path, name: str) -> None:
    image = SimpleITK.GetImageFromArray(_DATA[0])
    image.SetSpacing((0.5, 0.7))
    SimpleITK.WriteImage(image, str(tmp_path / name))
    series = open_study(tmp_path / name).series[0]
    np.testing.assert_array_equal(series.load().array, _DATA[:1])
    assert series.orientation == "unknown"
    assert series.spacing_mm is not None
    assert series.spacing_mm[1:] == pytest.approx((0.7, 0.5))


def test_skipped_bytes_and_lines_and_big_endian(tmp_path: Path) -> None:
    head = _NRRD.replace("little", "big")
    data = b"x" * 7 + _DATA.astype(">i2").tobytes()
    found = open_study(_nrrd(tmp_path / "a.nrrd", "byte skip: 7\n", head, data)).series[0].load()
    np.testing.assert_array_equal(found.array, _DATA)
    packed = gzip.compress(b"x" * 7 + _DATA.tobytes())
    head = _NRRD.replace("raw", "gzip")
    found = open_study(_nrrd(tmp_path / "b.nrrd", "byte skip: 7\n", head, packed)).series[0].load()
    np.testing.assert_array_equal(found.array, _DATA)
    (tmp_path / "c.raw").write_bytes(b"one line\nanother\n" + _DATA.tobytes())
    path = _nrrd(tmp_path / "c.nhdr", "line skip: 2\ndata file: c.raw\n", data=b"")
    np.testing.assert_array_equal(open_study(path).series[0].load().array, _DATA)
    path = _nrrd(tmp_path / "d.nhdr", "byte skip: -1\ndata file: c.raw\n", data=b"")
    np.testing.assert_array_equal(open_study(path).series[0].load().array, _DATA)
    (tmp_path / "e.raw").write_bytes(b"header!" + _DATA.astype(">i2").tobytes())
    for skip in ("7", "-1"):
        head = f"{_META}ElementByteOrderMSB = True\nHeaderSize = {skip}\nElementDataFile = e.raw\n"
        (tmp_path / "e.mhd").write_text(head)
        np.testing.assert_array_equal(open_study(tmp_path / "e.mhd").series[0].load().array, _DATA)


@pytest.mark.parametrize("kind", ["nhdr", "mhd"])
@pytest.mark.parametrize("aim", ["up", "absolute", "link", "home", "url", "windows"])
def test_voxels_elsewhere_are_not_read(tmp_path: Path, kind: str, aim: str) -> None:
    secret = tmp_path / "secret.raw"
    secret.write_bytes(_DATA.tobytes())
    folder = tmp_path / "sent"
    folder.mkdir()
    (folder / "link.raw").symlink_to(secret)
    names = {
        "up": "../secret.raw",
        "absolute": str(secret),
        "link": "link.raw",
        "home": "~/secret.raw",
        "url": "file://secret.raw",
        "windows": "..\\secret.raw",
    }
    more = f"data file: {names[aim]}\n" if kind == "nhdr" else f"ElementDataFile = {names[aim]}\n"
    (folder / f"a.{kind}").write_text((_NRRD if kind == "nhdr" else _META) + more)
    with pytest.raises(UserError, match="another folder") as caught:
        open_study(folder / f"a.{kind}")
    assert "secret" not in f"{caught.value} {caught.value.detail}"


@pytest.mark.parametrize("more", ["data file: LIST\n/etc/passwd\n", "data file: slice%03d.raw 1 3 1\n"])
def test_voxels_in_several_files_are_refused(tmp_path: Path, more: str) -> None:
    with pytest.raises(UserError, match="several files"):
        open_study(_nrrd(tmp_path / "a.nhdr", more, data=b""))
    (tmp_path / "a.mhd").write_text(_META + "ElementDataFile = LIST\n/etc/passwd\n")
    with pytest.raises(UserError, match="several files"):
        open_study(tmp_path / "a.mhd")


def test_a_header_whose_voxels_are_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        open_study(_nrrd(tmp_path / "a.nhdr", "data file: a.raw\n", data=b""))


def test_a_renamed_pair_still_opens(tmp_path: Path) -> None:
    (tmp_path / "renamed.raw").write_bytes(_DATA.tobytes())
    path = _nrrd(tmp_path / "renamed.nhdr", "data file: before.raw\n", data=b"")
    np.testing.assert_array_equal(open_study(path).series[0].load().array, _DATA)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("short", "block", "unusual type"),
        ("raw", "ascii", "unusual way"),
        ("raw", "bzip2", "unusual way"),
        ("5 4 3", "5 4 99", "cut short"),
        ("5 4 3", "5 4 0", "sizes is zero"),
        ("5 4 3", "5 4 -3", "sizes is zero"),
        ("5 4 3", "99999 99999 99999", "larger than any"),
        ("5 4 3", "5 4 3 2", "damaged"),
        ("5 4 3", "five 4 3", "damaged"),
        ("little", "middle", "damaged"),
        ("NRRD0004", "NRRD", "no NRRD file"),
    ],
)
def test_what_cannot_be_read_is_refused_for_its_reason(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        open_study(_nrrd(tmp_path / "a.nrrd", "", _NRRD.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("MET_SHORT", "MET_STRING", "unusual type"),
        ("NDims = 3", "NDims = 3\nBinaryData = False", "as text"),
        ("5 4 3", "5 4 99", "cut short"),
        ("NDims = 3", "NDims = 5", "no single"),
        ("5 4 3", "5 4", "damaged"),
        ("NDims", "Dims", "damaged"),
        ("ObjectType = Image", "\x00\x01", "no MetaImage"),
    ],
)
def test_what_is_no_metaimage_is_refused_for_its_reason(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        open_study(_meta(tmp_path / "a.mha", "", _META.replace(old, new)))


def test_a_packed_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voxels, "free_memory", lambda: 2**31)
    head = _NRRD.replace("5 4 3", "1500 1000 1000").replace("raw", "gzip")
    with pytest.raises(UserError, match="half of the memory"):
        open_study(_nrrd(tmp_path / "a.nrrd", "", head, b"\x1f\x8b" + b"\0" * 4_000_000))


def test_nothing_is_written_to_the_console(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = _nrrd(tmp_path / "a.nrrd", "space: left-posterior-superior\nspace directions: (1,0,0) (2,0,0) (0,0,1)\n")
    open_study(path).series[0].load()
    _meta(tmp_path / "b.mha", "ElementSpacing = -1 1 1\n")
    open_study(tmp_path / "b.mha").series[0].load()
    assert capfd.readouterr() == ("", "")


def test_a_mask_whose_voxels_lie_elsewhere_is_not_read_either(tmp_path: Path) -> None:
    (tmp_path / "secret.raw").write_bytes(_DATA.tobytes())
    (tmp_path / "sent").mkdir()
    _nrrd(tmp_path / "sent" / "a.nhdr", "data file: ../secret.raw\n", data=b"")
    with pytest.raises(UserError, match="another folder"):
        load_regions(tmp_path / "sent" / "a.nhdr", Geometry.from_spacing((3, 4, 5)))
