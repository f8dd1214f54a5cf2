"""From stored values to what is shown: encodings, photometric interpretations, scales, claims that are absurd."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"


def _noise(shape: tuple[int, ...] = (16, 24)) -> Any:
    return np.random.default_rng(5).integers(0, 4096, shape)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"])
def test_lossless_encodings_bring_every_value_back(make: Any, syntax: str) -> None:
    noise = _noise((64, 80))
    path = make("a.dcm", noise, compress=syntax)
    np.testing.assert_array_equal(open_study(path).series[0].load().array[0], noise - 1024)


def test_big_endian_deflated_and_implicit_files_hold_the_same(make: Any, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(make("a.dcm", _noise()))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(_DEFLATED)
    dataset.save_as(tmp_path / "deflated.dcm", enforce_file_format=True)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
    dataset.save_as(tmp_path / "implicit.dcm", implicit_vr=True, enforce_file_format=True)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(_BIG_ENDIAN)
    turned = pydicom.Dataset({element.tag: element for element in dataset})
    turned.file_meta = dataset.file_meta
    turned.PixelData = _noise().astype(">u2").tobytes()
    turned.save_as(tmp_path / "big.dcm", implicit_vr=False, little_endian=False, enforce_file_format=True)
    for name in ("deflated", "implicit", "big"):
        loaded = open_study(tmp_path / f"{name}.dcm").series[0].load()
        np.testing.assert_array_equal(loaded.array[0], _noise() - 1024)


@pytest.mark.parametrize(("implicit", "little"), [(True, True), (False, True), (False, False)])
def test_files_without_any_preamble_load(make: Any, tmp_path: Path, implicit: bool, little: bool) -> None:
    dataset = pydicom.dcmread(make("a.dcm", _noise()))
    bare = pydicom.Dataset({element.tag: element for element in dataset})
    bare.PixelData = _noise().astype("<u2" if little else ">u2").tobytes()
    path = tmp_path / "bare"
    bare.save_as(path, implicit_vr=implicit, little_endian=little)
    np.testing.assert_array_equal(open_study(path).series[0].load().array[0], _noise() - 1024)


def test_monochrome1_gives_the_very_image_of_its_twin(make: Any) -> None:
    plain = make("a/x.dcm", _noise(), WindowCenter=1000, WindowWidth=401)
    turned = make(
        "b/x.dcm",
        4095 - _noise(),
        PhotometricInterpretation="MONOCHROME1",
        # LINEAR's half unit: y(v) = (v - c + 0.5) / (w - 1) + 0.5 and 1 - y(2047 - v) agree for c' = 2047 + 1 - c.
        WindowCenter=2048 - 1000,
        WindowWidth=401,
    )
    first, second = (open_study(path).series[0].load() for path in (plain, turned))
    np.testing.assert_array_equal(first.array, second.array)
    assert first.array.dtype == second.array.dtype
    assert (first.window, first.value_range) == (second.window, second.value_range)


def test_garbage_above_the_stored_bits_is_cleared(make: Any) -> None:
    path = make("a.dcm", _noise() | 0xA000)
    np.testing.assert_array_equal(open_study(path).series[0].load().array[0], _noise() - 1024)


@pytest.mark.parametrize(
    ("changes", "calibration", "spacing"),
    [
        ({"PixelSpacing": [0, 0]}, "none", 1.0),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.2, 0.2], "Modality": "DX"}, "detector", 0.2),
        ({}, "patient", 0.7),
    ],
)
def test_millimetres_are_those_that_the_file_vouches_for(
    make: Any, changes: dict[str, Any], calibration: str, spacing: float
) -> None:
    geometry = open_study(make("a.dcm", _noise(), **changes)).series[0].load().geometry
    assert geometry.calibration == calibration
    assert geometry.spacing[1] == pytest.approx(spacing)


def test_a_radiograph_takes_its_sides_from_patient_orientation(make: Any) -> None:
    changes: dict[str, Any] = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "Modality": "DX"}
    volume = open_study(make("a.dcm", _noise(), PatientOrientation=["L", "F"], **changes)).series[0].load()
    np.testing.assert_array_equal(volume.geometry.direction[:, 2], [1, 0, 0])
    np.testing.assert_array_equal(volume.geometry.direction[:, 1], [0, 0, -1])
    assert volume.geometry.oriented
    assert not open_study(make("b.dcm", _noise(), **changes)).series[0].load().geometry.oriented


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"NumberOfFrames": 5_000_000}, "cut short"),
        ({"Rows": 65535, "Columns": 65535}, "absurd size"),
        ({"NumberOfFrames": 5_000_000, "compress": "1.2.840.10008.1.2.5"}, "claims 5000000 pictures"),
    ],
)
def test_absurd_claims_are_refused(make: Any, changes: dict[str, Any], word: str) -> None:
    compress = changes.pop("compress", None)
    path = make("a.dcm", _noise(), compress=compress)
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    with pytest.raises(UserError, match=word):
        open_study(path)


@pytest.mark.parametrize("compress", [None, "1.2.840.10008.1.2.5"])
def test_a_single_cut_file_says_so(make: Any, compress: str | None) -> None:
    path = make("a.dcm", _noise(), compress=compress)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(UserError, match="cut short"):
        open_study(path)


def test_zip_members_cannot_leave_their_folder(make: Any, tmp_path: Path) -> None:
    raw = make("a.dcm", _noise()).read_bytes()
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("../../../escaped.dcm", raw)
    assert open_study(tmp_path / "z.zip").series[0].load().array.shape == (1, 16, 24)
    assert not list(tmp_path.parent.rglob("escaped.dcm"))


def test_a_zip_that_grows_out_of_proportion_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"\0" * 30_000_000)
    with pytest.raises(UserError, match="too much"):
        open_study(tmp_path / "z.zip")


def test_nothing_says_the_patients_name(make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    make("study/Zyxwv_Quirin_1.dcm", _noise())
    cut = make("study/Zyxwv_Quirin_2.dcm", _noise(), ImagePositionPatient=[1, 2, 5])
    cut.write_bytes(cut.read_bytes()[:-60])
    study = open_study(tmp_path / "study")
    assert study.unreadable
    volume = study.series[0].load()
    said = [repr(study), repr(study.identity), repr(study.unreadable), repr(study.series), repr(volume.warnings)]
    with pytest.raises(UserError) as caught:
        open_study(cut)
    said += [caught.value.message, caught.value.hint, caught.value.detail, caplog.text]
    assert not any(word in text for text in said for word in ("Zyxwv", "Quirin", "900719"))
