"""NIfTI and Analyze against nibabel, and against arithmetic where nibabel does not decide."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.readers import inflate, open_study, voxels
from saliency_viewer.readers.nifti import nifti_header
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import axis_codes

_AFFINE = np.array([[0.0, -2.0, 0.0, 5.0], [1.5, 0.0, 0.0, -7.0], [0.0, 0.0, 3.0, 11.0], [0.0, 0.0, 0.0, 1.0]])
_DATA = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4) - 5


def _write(path: Path, data: Any = _DATA, affine: Any = _AFFINE, version: Any = None, **fields: Any) -> Path:
    """A single file whose header fields are set past nibabel's own checks."""
    image = (version or nibabel.Nifti1Image)(data, affine, dtype=data.dtype)
    header = image.header.copy()
    header["vox_offset"] = 352 if header["sizeof_hdr"] == 348 else 544
    for name, value in fields.items():
        header[name] = value
    block = header.binaryblock + b"\0" * 4 + data.astype(data.dtype).tobytes(order="F")
    path.write_bytes(gzip.compress(block) if path.suffix == ".gz" else block)
    return path


def _volume(path: Path, number: int = 0) -> Any:
    return open_study(path).series[number].load()


def _expected(path: Path) -> Any:
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj).transpose(2, 1, 0)


@pytest.mark.parametrize("codes", ["LAS", "LIA", "RAS", "PSR", "ASL", "RPI"])
def test_every_order_of_axes_lands_where_nibabel_says(tmp_path: Path, codes: str) -> None:
    image = nibabel.Nifti1Image(_DATA, np.diag([2.0, 3.0, 4.0, 1.0]))
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    turned = image.as_reoriented(turn)
    nibabel.save(turned, tmp_path / "a.nii.gz")
    volume = _volume(tmp_path / "a.nii.gz")
    # nibabel's letters count x first; ours count slices first.
    assert "".join(axis_codes(volume.geometry)) == codes[::-1]
    for index in np.ndindex(*turned.shape):
        place = volume.geometry.to_patient(index[::-1]) * [-1, -1, 1]
        np.testing.assert_allclose(place, (turned.affine @ [*index, 1])[:3], atol=1e-5)
    np.testing.assert_array_equal(volume.array, np.asarray(turned.dataobj).transpose(2, 1, 0))


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_every_type_in_both_byte_orders_keeps_its_values(tmp_path: Path, dtype: str, order: str, version: Any) -> None:
    data = (_DATA + 5).astype(order + dtype)
    header = (nibabel.Nifti1Header if version is nibabel.Nifti1Image else nibabel.Nifti2Header)(endianness=order)
    image = version(data, _AFFINE, header, dtype=data.dtype)
    nibabel.save(image, tmp_path / "a.nii")
    volume = _volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.array, _expected(tmp_path / "a.nii"))
    assert volume.array.dtype.isnative
    wanted = np.dtype("f4") if dtype == "f8" else np.dtype("i1") if dtype in ("i8", "u8") else np.dtype(dtype)
    assert volume.array.dtype == wanted


@pytest.mark.parametrize(
    ("dtype", "values", "wanted"),
    [
        ("i8", [-1, 70000], np.int32),
        ("i8", [0, 3_000_000_000], np.uint32),
        ("i8", [-1, 3_000_000_000], np.float32),
        ("u8", [0, 2**63 + 5], np.float32),
        ("u8", [0, 65535], np.uint16),
    ],
)
def test_wide_integers_take_the_smallest_type_that_holds_them(
    tmp_path: Path, dtype: str, values: list[int], wanted: Any
) -> None:
    volume = _volume(_write(tmp_path / "a.nii", np.array(values, dtype=dtype).reshape(2, 1, 1)))
    assert volume.array.dtype == wanted
    np.testing.assert_array_equal(volume.array.ravel(), np.array(values).astype(wanted))


@pytest.mark.parametrize(
    ("dtype", "slope", "inter", "wanted"),
    [
        ("i2", 0, 0, np.int16),
        ("i2", np.nan, 7, np.int16),
        ("i2", 1, 0, np.int16),
        ("u1", 1, -1024, np.int16),
        ("u2", 1, -1024, np.int32),
        ("u4", 1, -1024, np.int16),
        ("i2", 0.5, 0, np.float32),
        ("i2", 1, 0.25, np.float32),
        ("f8", 2, 1, np.float32),
        ("f4", 0, 0, np.float32),
    ],
)
def test_scaling_is_nibabels_and_whole_numbers_stay_whole(
    tmp_path: Path, dtype: str, slope: float, inter: float, wanted: Any
) -> None:
    data = (_DATA + 5).astype(dtype)
    path = _write(tmp_path / "a.nii", data, scl_slope=slope, scl_inter=inter)
    volume = _volume(path)
    assert volume.array.dtype == wanted
    np.testing.assert_allclose(volume.array, _expected(path), rtol=1e-6)


def test_values_that_are_no_numbers_stay_and_too_large_ones_become_infinite(tmp_path: Path) -> None:
    data = np.array([np.nan, np.inf, -np.inf, 1e300, 2.5]).reshape(5, 1, 1)
    found = _volume(_write(tmp_path / "a.nii", data)).array.ravel()
    np.testing.assert_array_equal(found, np.array([np.nan, np.inf, -np.inf, np.inf, 2.5], np.float32))


def test_a_scale_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a number"):
        open_study(_write(tmp_path / "a.nii", scl_slope=2.0, scl_inter=np.inf))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_volume_of_a_4d_file_is_a_series(tmp_path: Path, suffix: str) -> None:
    data = np.stack([_DATA + 100 * k for k in range(3)], axis=3)
    nibabel.save(nibabel.Nifti1Image(data, _AFFINE), tmp_path / f"a{suffix}")
    study = open_study(tmp_path / f"a{suffix}")
    assert [one.number for one in study.series] == [1, 2, 3]
    assert [one.uid for one in study.series] == [study.uid, f"{study.uid}#2", f"{study.uid}#3"]
    assert [one.description for one in study.series] == [f"NIfTI · volume {k} of 3" for k in (1, 2, 3)]
    assert study.choose() is study.series[0]
    for k, one in enumerate(study.series):
        np.testing.assert_array_equal(one.load().array, data[..., k].transpose(2, 1, 0))


def test_of_a_cut_4d_file_the_whole_volumes_open(tmp_path: Path) -> None:
    data = np.stack([_DATA, _DATA + 1, _DATA + 2], axis=3)
    path = _write(tmp_path / "a.nii", data)
    path.write_bytes(path.read_bytes()[: 352 + 2 * _DATA.nbytes + 5])
    study = open_study(path)
    assert len(study.series) == 2
    np.testing.assert_array_equal(study.series[1].load().array, (_DATA + 1).transpose(2, 1, 0))
    assert "2 of its 3 volumes" in study.series[0].warnings[0]


def test_more_than_four_dimensions_are_listed_in_their_order(tmp_path: Path) -> None:
    data = np.arange(2 * 2 * 2 * 2 * 3, dtype=np.int16).reshape(2, 2, 2, 2, 3)
    study = open_study(_write(tmp_path / "a.nii", data))
    assert len(study.series) == 6
    assert any("more than four" in words for words in study.series[0].warnings)
    np.testing.assert_array_equal(study.series[3].load().array, data[:, :, :, 1, 1].transpose(2, 1, 0))


def test_colours_are_shown_as_colours(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, channels in (("rgb", 3), ("rgba", 4)):
        flat = rng.integers(0, 256, (2, 3, 4, channels), dtype=np.uint8)
        data = flat.view([(letter, "u1") for letter in "RGBA"[:channels]])[..., 0]
        nibabel.save(nibabel.Nifti1Image(data, _AFFINE), tmp_path / f"{name}.nii")
        volume = _volume(tmp_path / f"{name}.nii")
        assert volume.colour is not None
        np.testing.assert_array_equal(volume.colour, flat[..., :3].transpose(2, 1, 0, 3))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"datatype": 32}, "complex numbers"),
        ({"datatype": 1536}, "unusual type"),
        ({"datatype": 1}, "single bits"),
        ({"dim": [1, 24, 1, 1, 1, 1, 1, 1]}, "no volume"),
        ({"dim": [3, 2, 0, 4, 1, 1, 1, 1]}, "no volume"),
        ({"dim": [9, 2, 3, 4, 1, 1, 1, 1]}, "no volume"),
        ({"dim": [3, 2, -3, 4, 1, 1, 1, 1]}, "no volume"),
        ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "larger than any image"),
        ({"dim": [3, 200, 300, 400, 1, 1, 1, 1]}, "cut short"),
        ({"vox_offset": np.nan}, "no readable NIfTI"),
        ({"vox_offset": 1e30}, "no readable NIfTI"),
        ({"magic": b"none"}, "no readable NIfTI"),
        ({"sizeof_hdr": 999}, "no readable NIfTI"),
        ({"intent_code": 3001}, "surface"),
    ],
)
def test_what_is_no_volume_is_refused_for_its_reason(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        open_study(_write(tmp_path / "a.nii", **fields))


@pytest.mark.parametrize(("code", "factor"), [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001)])
@pytest.mark.parametrize("form", ["sform", "qform", "none"])
def test_metres_and_micrometres_become_millimetres(tmp_path: Path, code: int, factor: float, form: str) -> None:
    image = nibabel.Nifti1Image(_DATA, None)
    sizes = np.array([0.4, 0.5, 0.6]) * (1 if factor < 10 else 0.01)
    image.header.set_zooms(sizes)
    affine = np.diag([*sizes, 1.0])
    if form == "sform":
        image.set_sform(affine, 1)
    if form == "qform":
        image.set_qform(affine, 1)
    image.header["xyzt_units"] = code | 8  # with seconds
    nibabel.save(image, tmp_path / "a.nii")
    volume = _volume(tmp_path / "a.nii")
    np.testing.assert_allclose(volume.geometry.spacing, sizes[::-1] * factor, rtol=1e-5)
    assert volume.geometry.calibration == "patient"
    assert any("shown in mm" in words for words in volume.warnings) is (factor != 1)


@pytest.mark.parametrize("size", [0.0, -0.0, np.nan, np.inf, 1e-9, 1e9])
def test_without_a_usable_pixel_size_there_are_no_millimetres(tmp_path: Path, size: float) -> None:
    path = _write(tmp_path / "a.nii", sform_code=0, qform_code=0, pixdim=[1, 1, size, 1, 1, 1, 1, 1])
    series = open_study(path).series[0]
    assert series.spacing_mm is None
    assert series.orientation == "unknown"
    volume = series.load()
    assert volume.geometry.calibration == "none"
    assert any("no millimetres" in words for words in volume.warnings)


def test_without_codes_sizes_are_millimetres_and_sides_unknown(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.nii", sform_code=0, qform_code=0, pixdim=[1, 1.5, 2, 3, 1, 1, 1, 1])
    volume = _volume(path)
    assert (volume.geometry.calibration, volume.geometry.oriented) == ("patient", False)
    np.testing.assert_allclose(volume.geometry.spacing, (3, 2, 1.5))
    image: Any = nibabel.load(path)
    place = volume.geometry.to_patient([3, 2, 1]) * [-1, -1, 1]
    np.testing.assert_allclose(place, (image.affine @ [1, 2, 3, 1])[:3], atol=1e-5)


def test_the_sform_wins_over_another_qform_with_a_word(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(_DATA, _AFFINE)
    moved = _AFFINE.copy()
    moved[0, 3] += 30
    image.set_qform(moved, 1)
    nibabel.save(image, tmp_path / "a.nii")
    volume = _volume(tmp_path / "a.nii")
    np.testing.assert_allclose(volume.geometry.to_patient([0, 0, 0]), [-5, 7, 11], atol=1e-5)
    assert any("differ by up to 30.0 mm" in words for words in volume.warnings)
    image.set_qform(_AFFINE, 1)
    nibabel.save(image, tmp_path / "b.nii")
    assert not _volume(tmp_path / "b.nii").warnings


@pytest.mark.parametrize("spoilt", [0.0, np.nan, np.inf, 1e30])
def test_a_spoilt_sform_leaves_the_qform_and_both_spoilt_the_sizes(tmp_path: Path, spoilt: float) -> None:
    image = nibabel.Nifti1Image(_DATA, _AFFINE)
    image.set_qform(_AFFINE, 1)
    fields = {row: [spoilt] * 4 for row in ("srow_x", "srow_y", "srow_z")}
    header = {name: image.header[name] for name in ("qform_code", "quatern_b", "quatern_c", "quatern_d", "pixdim")}
    header |= {name: image.header[name] for name in ("qoffset_x", "qoffset_y", "qoffset_z")}
    volume = _volume(_write(tmp_path / "a.nii", **header, **fields))
    np.testing.assert_allclose(volume.geometry.to_patient([3, 2, 1]) * [-1, -1, 1], (_AFFINE @ [1, 2, 3, 1])[:3])
    assert any("sform is not usable" in words for words in volume.warnings)
    volume = _volume(_write(tmp_path / "b.nii", **(header | {"quatern_b": 7.0, "quatern_c": spoilt}), **fields))
    assert not volume.geometry.oriented
    assert volume.geometry.calibration == "patient"
    assert any("sides are unknown" in words for words in volume.warnings)


@pytest.mark.parametrize("turn", [(1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1), (2, 1, 0)])
def test_half_turns_are_no_tilt(tmp_path: Path, turn: tuple[int, ...], order: tuple[int, ...]) -> None:
    """Their quaternions, rounded to float32, leave a remainder whose root would be a turn of 0.03 degrees."""
    affine = np.diag([0.9, 0.9, 0.9, 1.0])
    affine[:3, :3] = (affine[:3, :3] * turn)[list(order)]
    image = nibabel.Nifti1Image(_DATA, affine)
    image.set_sform(None, 0)
    image.set_qform(affine, 1)
    nibabel.save(image, tmp_path / "a.nii")
    expected = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine @ np.eye(4)[[2, 1, 0, 3]]
    found = _volume(tmp_path / "a.nii").geometry
    far = np.array([255.0, 255.0, 255.0, 1.0])
    np.testing.assert_allclose(found.affine @ far, expected @ far, atol=1e-3)


def test_random_qforms_are_nibabels(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for k in range(20):
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        affine = np.eye(4)
        affine[:3, :3] = turn * rng.uniform(0.2, 5, 3)
        affine[:3, 3] = rng.uniform(-200, 200, 3)
        image = nibabel.Nifti1Image(_DATA, None)
        image.set_qform(affine, 1)
        image.set_sform(None, 0)
        nibabel.save(image, tmp_path / f"{k}.nii")
        loaded: Any = nibabel.load(tmp_path / f"{k}.nii")
        place = _volume(tmp_path / f"{k}.nii").geometry.to_patient([3, 2, 1]) * [-1, -1, 1]
        np.testing.assert_allclose(place, (loaded.affine @ [1, 2, 3, 1])[:3], atol=1e-3)


@pytest.mark.parametrize("chosen", ["a.hdr", "a.img"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.AnalyzeImage, nibabel.Spm99AnalyzeImage])
def test_pairs_open_from_either_half(tmp_path: Path, chosen: str, kind: Any) -> None:
    image = kind(_DATA, np.diag([-1.5, 2.0, 3.0, 1.0]))
    image.to_filename(tmp_path / "a.img")
    series = open_study(tmp_path / chosen).series[0]
    volume = series.load()
    np.testing.assert_array_equal(volume.array, _DATA.transpose(2, 1, 0))
    np.testing.assert_allclose(volume.geometry.spacing, (3, 2, 1.5))
    assert volume.geometry.oriented is (kind is nibabel.Nifti1Pair)
    assert series.description == ("NIfTI" if kind is nibabel.Nifti1Pair else "Analyze")


@pytest.mark.parametrize(("kept", "missing"), [("a.hdr", "img"), ("a.img", "hdr")])
def test_half_a_pair_says_what_is_missing(tmp_path: Path, kept: str, missing: str) -> None:
    nibabel.Nifti1Pair(_DATA, _AFFINE).to_filename(tmp_path / "a.img")
    (tmp_path / f"a.{missing}").unlink()
    with pytest.raises(UserError, match=missing):
        open_study(tmp_path / kept)


def test_extensions_are_kept_and_a_damaged_one_does_not_matter(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(_DATA, _AFFINE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"first note"))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"second note"))
    nibabel.save(image, tmp_path / "a.nii.gz")
    found = nifti_header(tmp_path / "a.nii.gz").header.extensions
    assert [one.content for one in found] == [b"first note", b"second note"]
    block = bytearray(gzip.decompress((tmp_path / "a.nii.gz").read_bytes()))
    struct.pack_into("<i", block, 352 + 32, 2**31 - 1)
    (tmp_path / "b.nii").write_bytes(block)
    assert [one.content for one in nifti_header(tmp_path / "b.nii").header.extensions] == [b"first note"]
    np.testing.assert_array_equal(_volume(tmp_path / "b.nii").array, _DATA.transpose(2, 1, 0))


def test_content_counts_not_the_ending(tmp_path: Path) -> None:
    packed, plain = _write(tmp_path / "a.nii.gz"), _write(tmp_path / "b.nii")
    (tmp_path / "c.nii").write_bytes(packed.read_bytes())
    (tmp_path / "d.nii.gz").write_bytes(plain.read_bytes())
    for name in ("c.nii", "d.nii.gz"):
        np.testing.assert_array_equal(_volume(tmp_path / name).array, _DATA.transpose(2, 1, 0))


def test_several_gzip_members_are_one_file_and_padding_is_none(tmp_path: Path) -> None:
    block = gzip.decompress(_write(tmp_path / "a.nii.gz").read_bytes())
    parts = [gzip.compress(block[start : start + 60]) for start in range(0, len(block), 60)]
    (tmp_path / "b.nii.gz").write_bytes(b"".join(parts) + b"\0" * 512)
    np.testing.assert_array_equal(_volume(tmp_path / "b.nii.gz").array, _DATA.transpose(2, 1, 0))


def test_millions_of_empty_gzip_members_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_MOST_MEMBERS", 50)
    block = gzip.decompress(_write(tmp_path / "a.nii.gz").read_bytes())
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(block[:-1]) + gzip.compress(b"") * 60)
    with pytest.raises(UserError, match="damaged"):
        _volume(tmp_path / "b.nii.gz")


def test_a_wrong_checksum_and_a_cut_stream_are_refused(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 999, (20, 20, 20)).astype(np.int16)
    packed = bytearray(_write(tmp_path / "a.nii.gz", data).read_bytes())
    (tmp_path / "b.nii.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(UserError, match="cut short"):
        _volume(tmp_path / "b.nii.gz")
    packed[-6] ^= 1
    (tmp_path / "c.nii.gz").write_bytes(packed)
    with pytest.raises(UserError, match="damaged"):
        _volume(tmp_path / "c.nii.gz")


def test_a_packed_file_that_cannot_hold_its_volume_is_refused_unread(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.nii.gz", dim=[3, 1000, 1000, 100, 1, 1, 1, 1])
    with pytest.raises(UserError, match="cut short"):
        open_study(path)


def test_a_sparse_volume_is_opened_where_there_is_memory_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mask with little in it packs as tightly as a bomb does: only the memory tells whether it may be read."""
    monkeypatch.setattr(voxels, "_SUSPECT_BYTES", 2**20)
    values = np.zeros((96, 96, 64), np.float32)
    values[20:40, 20:40, 30] = 1.0
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii.gz")
    assert (tmp_path / "a.nii.gz").stat().st_size * 200 < values.nbytes
    monkeypatch.setattr(voxels, "free_memory", lambda: 2 * values.nbytes)
    np.testing.assert_array_equal(_volume(tmp_path / "a.nii.gz").array, values.transpose(2, 1, 0))
    monkeypatch.setattr(voxels, "free_memory", lambda: 2 * values.nbytes - 2)
    with pytest.raises(UserError, match="more than half of the memory that is free"):
        open_study(tmp_path / "a.nii.gz")


def test_a_volume_that_its_packed_file_could_hold_but_does_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path / "b.nii.gz", dim=[3, 2000, 1000, 600, 1, 1, 1, 1])
    path.write_bytes(path.read_bytes() + b"\0" * 3_000_000)
    monkeypatch.setattr(voxels, "free_memory", lambda: 2**40)
    with pytest.raises(UserError, match="cut short"):
        _volume(path)


@pytest.mark.parametrize("engine", ["isal", "zlib"])
def test_both_engines_unpack_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    if engine == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setitem(__import__("sys").modules, "isal", None)
    data = np.random.default_rng(1).integers(0, 99, (90, 80, 70)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(data, _AFFINE), tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(_volume(tmp_path / "a.nii.gz").array, _expected(tmp_path / "a.nii.gz"))


@pytest.mark.parametrize(
    ("dtype", "fields", "suffix"),
    [
        ("i2", {}, ".nii"),
        ("i2", {}, ".nii.gz"),
        (">i2", {}, ".nii"),
        ("f8", {}, ".nii"),
        ("i2", {"scl_slope": 0.5, "scl_inter": 0}, ".nii"),
        ("f4", {"scl_slope": 2.0, "scl_inter": 0}, ".nii.gz"),
    ],
)
def test_loading_takes_little_more_memory_than_the_volume(
    tmp_path: Path, dtype: str, fields: dict[str, Any], suffix: str
) -> None:
    data = np.zeros((256, 256, 256), dtype)
    data[::3, ::5, ::7] = 99
    header = nibabel.Nifti1Header(endianness=">" if dtype[0] == ">" else "<")
    image = nibabel.Nifti1Image(data, _AFFINE, header, dtype=dtype)
    block = image.header.copy()
    block["vox_offset"] = 352
    for name, value in fields.items():
        block[name] = value
    raw = block.binaryblock + b"\0" * 4 + data.tobytes(order="F")
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(raw, 1) if suffix.endswith("gz") else raw)
    del data, raw, image
    series = open_study(path).series[0]
    tracemalloc.start()
    volume = series.load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert volume.array.max() > 0
    assert peak <= 1.15 * volume.array.nbytes


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    series = open_study(_write(tmp_path / "a.nii.gz")).series[0]
    with pytest.raises(Cancelled):
        series.load(RunContext(cancel=lambda: True))


def test_a_file_that_goes_away_before_its_voxels_are_read_says_so(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.nii")
    series = open_study(path).series[0]
    path.unlink()
    with pytest.raises(UserError, match="may not be read"):
        series.load()


def test_the_awkward_files_of_nibabel_open_as_nibabel_opens_them() -> None:
    folder = Path(nibabel.__file__).parent / "tests" / "data"
    paths = [path for path in sorted(folder.glob("*.nii*")) if ".dconn" not in path.name]
    if not paths:
        pytest.skip("nibabel came without its test data")
    for path in paths:
        image: Any = nibabel.load(path)
        data = np.asarray(image.dataobj)
        volumes = data.reshape(*data.shape[:3], -1)
        study = open_study(path)
        assert len(study.series) == volumes.shape[3]
        for k, one in enumerate(study.series):
            volume = one.load()
            np.testing.assert_allclose(volume.array, volumes[..., k].transpose(2, 1, 0), rtol=1e-6)
        place = volume.geometry.to_patient([1, 2, 3]) * [-1, -1, 1]
        np.testing.assert_allclose(place, (image.affine @ [3, 2, 1, 1])[:3], atol=1e-3)
