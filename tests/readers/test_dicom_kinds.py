"""What each kind of image says about its places, its millimetres and its units."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from saliency_viewer.readers import open_study

_NOWHERE: dict[str, Any] = {"ImagePositionPatient": None, "ImageOrientationPatient": None}


def _plane(value: int = 5) -> Any:
    return np.full((6, 8), value)


@pytest.mark.parametrize(
    ("changes", "calibration", "spacing"),
    [
        ({"Modality": "DX", "PixelSpacing": None, "ImagerPixelSpacing": [0.2, 0.3]}, "detector", (0.2, 0.3)),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.7, 0.5]}, "detector", (0.7, 0.5)),
        ({"Modality": "DX", "ImagerPixelSpacing": [0.8, 0.6]}, "patient", (0.7, 0.5)),
        ({"Modality": "CR"}, "detector", (0.7, 0.5)),
        ({"Modality": "CR", "PixelSpacingCalibrationType": "FIDUCIAL"}, "patient", (0.7, 0.5)),
        ({"Modality": "MG", "PixelSpacing": None}, "none", (1.0, 1.0)),
        ({"Modality": "OT", "PixelSpacing": None, "NominalScannedPixelSpacing": [0.1, 0.1]}, "detector", (0.1, 0.1)),
        ({"PixelSpacing": [0, 0]}, "none", (1.0, 1.0)),
        ({"PixelSpacing": [1e9, 1e9]}, "none", (1.0, 1.0)),
        ({"PixelSpacing": [-1, 1]}, "none", (1.0, 1.0)),
        ({"PixelSpacing": None, "PixelAspectRatio": [4, 3]}, "none", (4 / 3, 1.0)),
        ({"PixelSpacing": None, "PixelAspectRatio": [1, 0]}, "none", (1.0, 1.0)),
    ],
)
def test_millimetres_hold_where_the_file_says(
    make: Any, changes: dict[str, Any], calibration: str, spacing: tuple[float, float]
) -> None:
    place = _NOWHERE if changes.get("Modality") else {}
    series = open_study(make("a.dcm", _plane(), **place, **changes)).series[0]
    assert series.load().geometry.calibration == calibration
    assert series.load().geometry.spacing[1:] == pytest.approx(spacing)
    assert (series.spacing_mm is None) == (calibration == "none")


def _region(right: float, down: float, units: int = 3, kind: int = 1) -> Dataset:
    region = Dataset()
    region.RegionSpatialFormat, region.PhysicalDeltaX, region.PhysicalDeltaY = kind, right, down
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = units
    return region


@pytest.mark.parametrize(
    ("regions", "spacing"),
    [
        ([_region(0.02, 0.03)], (0.3, 0.2)),
        ([_region(0.02, 0.03), _region(0.02, 0.03), _region(9, 9, units=4, kind=3)], (0.3, 0.2)),
        ([_region(0.02, 0.03), _region(0.01, 0.03)], None),
        ([_region(0.02, 0.03, units=4)], None),
        ([_region(0, 0)], None),
    ],
)
def test_ultrasound_is_measured_by_its_regions(make: Any, regions: list[Dataset], spacing: Any) -> None:
    path = make("a.dcm", _plane(), Modality="US", PixelSpacing=None, **_NOWHERE)
    dataset = pydicom.dcmread(path)
    dataset.SequenceOfUltrasoundRegions = Sequence(regions)
    dataset.save_as(path)
    found = open_study(path).series[0].spacing_mm
    assert (None if found is None else found[1:]) == (None if spacing is None else pytest.approx(spacing))


def test_pictures_in_time_have_no_distance_and_no_volume(make: Any) -> None:
    cine = np.stack([_plane(k) for k in range(4)])
    series = open_study(make("a.dcm", cine, Modality="XA", NumberOfFrames=4, **_NOWHERE)).series[0]
    volume = series.load()
    assert volume.array[:, 0, 0].tolist() == [-1024, -1023, -1022, -1021]
    assert not volume.geometry.through_space
    assert series.spacing_mm == (None, 0.7, 0.5)


def test_radiographs_of_one_series_stand_alone_and_are_told_apart(make: Any, tmp_path: Path) -> None:
    for k, view in enumerate(("PA", "LL")):
        make(f"s/{k}.dcm", _plane(k), Modality="DX", ViewPosition=view, InstanceNumber=k + 1, **_NOWHERE)
    study = open_study(tmp_path / "s")
    assert [(one.slices, one.description) for one in study.series] == [(1, "PA"), (1, "LL")]
    assert len({one.uid for one in study.series}) == 2


@pytest.mark.parametrize(
    ("changes", "units"),
    [
        ({}, "HU"),
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "US"}, ""),
        ({"Modality": "PT", "Units": "BQML"}, "Bq/mL"),
        ({"Modality": "MR"}, ""),
    ],
)
def test_values_have_the_units_that_the_file_says(make: Any, changes: dict[str, Any], units: str) -> None:
    assert open_study(make("a.dcm", _plane(), **changes)).series[0].load().units == units


def test_each_slice_of_a_pet_has_its_own_scale(stack: Any) -> None:
    folder = stack(
        [0, 2, 4], Modality=lambda _: "PT", RescaleSlope=lambda k: 0.5 * (k + 1), RescaleIntercept=lambda _: 0
    )
    volume = open_study(folder).series[0].load()
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(volume.array[:, 0, 0], [0.5 * 1024, 1034, 1.5 * 1044])


def test_a_dose_is_scaled_by_its_grid(make: Any) -> None:
    planes = np.stack([_plane(k + 1) for k in range(3)])
    path = make(
        "a.dcm",
        planes,
        Modality="RTDOSE",
        NumberOfFrames=3,
        DoseGridScaling=0.25,
        DoseUnits="GY",
        GridFrameOffsetVector=[0, 2.5, 5],
        RescaleSlope=None,
        RescaleIntercept=None,
    )
    volume = open_study(path).series[0].load()
    np.testing.assert_allclose(volume.array[:, 0, 0], [0.25, 0.5, 0.75])
    assert volume.units == "Gy"
    assert volume.geometry.spacing[0] == pytest.approx(2.5)


def test_a_tomogram_of_nuclear_medicine_lies_along_its_slice_vector(make: Any) -> None:
    planes = np.stack([_plane(k) for k in range(6)])
    path = make(
        "a.dcm",
        planes,
        Modality="NM",
        NumberOfFrames=6,
        ImageType=["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"],
        SpacingBetweenSlices=4,
        SliceVector=[1, 2, 3, 1, 2, 3],
        TimeSlotVector=[1, 1, 1, 2, 2, 2],
        RescaleIntercept=0,
        **_NOWHERE,
    )
    dataset = pydicom.dcmread(path)
    detector = Dataset()
    detector.ImagePositionPatient, detector.ImageOrientationPatient = [1, 2, 3], [1, 0, 0, 0, 1, 0]
    dataset.DetectorInformationSequence = Sequence([detector])
    dataset.save_as(path)
    study = open_study(path)
    assert [one.load().array[:, 0, 0].tolist() for one in study.series] == [[0, 1, 2], [3, 4, 5]]
    assert [one.description for one in study.series] == ["time 1", "time 2"]
    np.testing.assert_allclose(study.series[1].load().geometry.to_patient([2, 0, 0]), [1, 2, 11])


def test_a_mosaic_is_cut_into_its_slices_as_nibabel_places_them(shared_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls itself experimental
        from nibabel.nicom import dicomwrappers
    folder = shared_data / "dicom_edge" / "dcm_qa_12bit"
    study = open_study(folder)
    assert [(one.slices, one.rows, one.columns) for one in study.series] == [(35, 64, 64)] * 3
    for path in sorted(folder.glob("*.dcm")):
        volume = open_study(path).series[0].load()
        peer: Any = dicomwrappers.wrapper_from_file(path)
        stored = peer.get_unscaled_data()
        for corner in ([0, 0, 0], [34, 63, 63], [20, 5, 40]):
            z, y, x = corner
            place = peer.affine @ [y, x, z, 1]  # nibabel's first axis runs down the columns
            np.testing.assert_allclose(volume.geometry.to_patient(corner), place[:3], atol=1e-3)
        bits = int(pydicom.dcmread(path, stop_before_pixels=True).BitsStored)
        clean = stored.astype(np.int64) & (2**bits - 1)
        expected = np.where(clean >= 2 ** (bits - 1), clean - 2**bits, clean) if volume.array.min() < 0 else clean
        np.testing.assert_array_equal(volume.array, expected.transpose(2, 0, 1))


def test_patients_and_studies_in_one_folder_are_kept_apart(make: Any, tmp_path: Path) -> None:
    for who, study, k in (("A", "1.1", 0), ("A", "1.2", 1), ("B", "1.3", 2)):
        for z in range(2):
            # One series UID for all, as anonymisers write it.
            make(
                f"s/{who}{study}-{z}.dcm",
                _plane(100 * k + z),
                PatientID=who,
                StudyInstanceUID=study,
                ImagePositionPatient=[0, 0, z],
                RescaleIntercept=0,
            )
    study_found = open_study(tmp_path / "s")
    assert [one.group for one in study_found.series] == ["patient 1, study 1", "patient 1, study 2", "patient 2"]
    assert [one.load().array[:, 0, 0].tolist() for one in study_found.series] == [[0, 1], [100, 101], [200, 201]]
    assert [one.identity.patient_id for one in study_found.series] == ["A", "A", "B"]
    assert len(study_found.identities) == 2


def test_a_dose_report_and_a_localizer_do_not_disturb_their_series(make: Any, stack: Any) -> None:
    folder = stack([0, 2, 4])
    make(
        "series/scout.dcm",
        _plane(7),
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    report = make("series/report.dcm", _plane(), Modality="SR")
    dataset = pydicom.dcmread(report)
    del dataset.Rows, dataset.Columns, dataset.PixelData
    dataset.save_as(report)
    study = open_study(folder)
    assert sorted((one.slices, one.orientation) for one in study.series) == [(1, "sagittal"), (3, "axial")]
    assert [item.reason for item in study.unreadable] == ["The file holds no image (it is of kind SR)."]


def test_different_images_of_one_uid_are_all_kept(make: Any, tmp_path: Path) -> None:
    for k in range(3):
        make(f"s/{k}.dcm", _plane(k), Modality="DX", SOPInstanceUID="1.2.3", InstanceNumber=1, **_NOWHERE)
    assert sum(one.slices for one in open_study(tmp_path / "s").series) == 3


def test_the_same_file_twice_is_one_slice(make: Any, tmp_path: Path) -> None:
    for z in range(3):
        path = make(f"s/{z}.dcm", _plane(z), ImagePositionPatient=[0, 0, z])
        (tmp_path / "s" / f"copy{z}.dcm").write_bytes(path.read_bytes())
    series = open_study(tmp_path / "s").series
    assert [one.slices for one in series] == [3]
    assert any(words.startswith("duplicate slice: 3 files are copies") for words in series[0].warnings)


def test_parts_of_one_cine_follow_each_other(make: Any, tmp_path: Path) -> None:
    for part in (1, 0):
        planes = np.stack([_plane(10 * part + k) for k in range(3)])
        make(
            f"s/{part}.dcm",
            planes,
            Modality="XA",
            NumberOfFrames=3,
            ConcatenationUID="1.2.9",
            ConcatenationFrameOffsetNumber=3 * part,
            RescaleIntercept=0,
            **_NOWHERE,
        )
    (series,) = open_study(tmp_path / "s").series
    assert series.load().array[:, 0, 0].tolist() == [0, 1, 2, 10, 11, 12]


def test_captures_and_turned_pictures_of_a_ct_hold_no_hounsfield_units(make: Any) -> None:
    assert open_study(make("a.dcm", _plane(), RescaleIntercept=None, RescaleSlope=None)).series[0].load().units == ""
    assert open_study(make("b.dcm", _plane(), PhotometricInterpretation="MONOCHROME1")).series[0].load().units == ""


def test_spacing_written_otherwise_does_not_split_a_series(stack: Any) -> None:
    folder = stack([0, 2, 4, 6], PixelSpacing=lambda k: [["0.70", "0.50"], ["0.7", "0.5"], [0.70000001, 0.5]][k % 3])
    assert [one.slices for one in open_study(folder).series] == [4]


def test_slices_without_their_series_uid_stay_together(stack: Any) -> None:
    assert [one.slices for one in open_study(stack([0, 2, 4], SeriesInstanceUID=lambda _: None)).series] == [3]


def test_pictures_without_numbers_are_in_the_order_of_their_names(make: Any, tmp_path: Path) -> None:
    for k in range(12):
        make(f"s/IM{k + 1}", _plane(k), Modality="OT", InstanceNumber=None, RescaleIntercept=0, **_NOWHERE)
    series = open_study(tmp_path / "s").series[0]
    assert series.load().array[:, 0, 0].tolist() == list(range(12))
    assert any("order of their names" in words for words in series.warnings)


def test_an_offset_vector_that_does_not_start_at_zero_holds_places(make: Any) -> None:
    planes = np.stack([_plane(k) for k in range(3)])
    path = make(
        "a.dcm",
        planes,
        Modality="RTDOSE",
        NumberOfFrames=3,
        GridFrameOffsetVector=[10, 12, 14],
        ImagePositionPatient=[0, 0, 10],
        ImageOrientationPatient=[1, 0, 0, 0, -1, 0],  # the normal points down
        RescaleIntercept=0,
    )
    volume = open_study(path).series[0].load()
    for k in range(3):
        index = volume.geometry.to_index([0, 0, 10 + 2 * k])
        assert volume.array[round(index[0]), 0, 0] == k


def test_a_volume_of_projections_lies_in_the_patient(make: Any) -> None:
    volume = open_study(make("a.dcm", _plane(), Modality="XA")).series[0].load()
    assert volume.geometry.calibration == "patient"
