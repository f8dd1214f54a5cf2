"""Every odd DICOM file that we know of: it opens like in GDCM, or is refused for the right reason."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from saliency_viewer.domain import Volume
from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study

_REFUSED = {
    "cornerstone/no-pixel-data.dcm": "kind SR",
    "dcmqi/23x38x3/seg/label.seg": "segmentation",
    "highdicom/seg_image_ct_binary_overlap.dcm": "segmentation",
    "highdicom/seg_image_ct_true_fractional.dcm": "segmentation",
    "highdicom/seg_image_sm_control_labelmap_palette_color.dcm": "segmentation",
    "pydicom/liver_1frame.dcm": "segmentation",
    "pydicom-data/liver_nonbyte_aligned.dcm": "segmentation",
    "pydicom/MR_truncated.dcm": "cut short",
    "pydicom/JPEG2000-embedded-sequence-delimiter.dcm": "another size than its header",
    "pydicom/meta_missing_tsyntax.dcm": "damaged or no DICOM",  # two elements, no image
    "pydicom/no_meta.dcm": "damaged or no DICOM",  # a stray byte before the first element
    "pydicom/reportsi.dcm": "kind SR",
    "pydicom/rtplan.dcm": "kind RTPLAN",
    "pydicom/rtstruct.dcm": "kind RTSTRUCT",
    "pydicom/waveform_ecg.dcm": "kind ECG",
}
# GDCM reads these otherwise, and the tests named read them against another oracle.
_OTHERWISE = {
    "pydicom-data/eCT_Supplemental.dcm",  # two frames of different orientation at one place: see below
    "pydicom-data/mlut_18.dcm",  # GDCM does not apply the modality table
    "pydicom-data/parametric_map_float.dcm",  # GDCM cannot read float pixels
    "pydicom-data/emri_small_jpeg_2k_lossless_too_short.dcm",  # only the end mark is missing: equals its twin
    "pydicom/rtdose.dcm",  # GDCM leaves the dose's scale out
    "pydicom/badVR.dcm",  # GDCM reads one of the fifteen frames that "1A" hides
}


def _by_gdcm(path: Path) -> NDArray[np.generic]:
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    found: NDArray[np.generic] = np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))
    return found


def _tiles(mosaic: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.generic]:
    """The first tiles of a Siemens mosaic, which GDCM leaves whole."""
    picture = mosaic.reshape(mosaic.shape[-2:])
    across = picture.shape[1] // shape[2]
    cut = [divmod(k, across) for k in range(shape[0])]
    return np.stack([picture[r * shape[1] :, c * shape[2] :][: shape[1], : shape[2]] for r, c in cut])


def _compare(volume: Volume, expected: NDArray[np.generic]) -> None:
    if volume.colour is None and expected.size > volume.array.size:
        expected = _tiles(expected, volume.array.shape)
    if volume.colour is None:
        np.testing.assert_allclose(volume.array, expected.reshape(volume.array.shape), atol=1e-3)
        return
    ours, theirs = volume.colour.astype(int), expected.reshape(volume.colour.shape).astype(int)
    assert np.abs(ours - theirs).max() <= 1  # 16-bit palettes: GDCM cuts, we round


def test_every_edge_file_opens_right_or_is_refused_for_its_reason(shared_data: Path) -> None:
    root = shared_data / "dicom_edge"
    wrong: list[str] = []
    opened = refused = 0
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if not path.is_file() or path.name == "DICOMDIR":
            continue
        try:
            volume = open_study(path).series[0].load()
        except UserError as error:
            refused += 1
            if name not in _REFUSED or _REFUSED[name] not in f"{error.message}":
                wrong.append(f"{name}: {error.message}")
            continue
        opened += 1
        if name in _REFUSED:
            wrong.append(f"{name} opened")
        elif name not in _OTHERWISE:
            try:
                _compare(volume, _by_gdcm(path))
            except AssertionError as error:
                wrong.append(f"{name}: {str(error)[:300]}")
    assert not wrong
    assert refused == len(_REFUSED)
    assert opened > 80


def test_pictures_without_the_closing_mark_equal_their_lossless_twin(shared_data: Path) -> None:
    folder = shared_data / "dicom_edge" / "pydicom-data"
    names = ("emri_small_jpeg_2k_lossless_too_short", "emri_small_RLE", "emri_small_big_endian", "emri_small")
    found = [open_study(folder / f"{name}.dcm").series[0].load().array for name in names]
    for array in found[:-1]:
        np.testing.assert_array_equal(array, found[-1])


def test_the_page_of_edge_files_says_what_the_program_does(shared_data: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    missing = [
        tool for tool in ("dcmconv", "dcmdjpeg", "dcmdjpls", "dcmdrle", "dcmj2pnm", "dcm2niix") if not which(tool)
    ]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (dcmtk and dcm2niix)")
    script = [sys.executable, "-W", "ignore", str(root / "benchmarks" / "edge_table.py"), "--tsv", str(shared_data)]
    printed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in printed.splitlines()]
    page = (root / "docs" / "edge-files.md").read_text(encoding="utf-8").splitlines()
    committed = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page if line.startswith("|")][2:]
    assert [_without_numbers(row) for row in rows] == [_without_numbers(row) for row in committed]
    for now, then in zip(rows, committed, strict=True):
        # Other releases of the tools round otherwise, by one grey or the last digit of a float.
        np.testing.assert_allclose(_differences(now), _differences(then), atol=1, err_msg=now[0])
        assert max(_differences(now), default=0) <= 1, now


def _differences(row: list[str]) -> list[float]:
    """The numbers after colons in the columns of values and geometry."""
    return [float(one) for cell in row[5:7] for one in re.findall(r"(?:: |pixel )([\d.e+-]+)", cell)]


def _without_numbers(row: list[str]) -> list[str]:
    return [*row[:5], *(re.sub(r"(: |pixel )[\d.e+-]+", r"\1", cell) for cell in row[5:7]), row[7].strip()]


def test_dose_with_a_broken_number_of_frames_shows_all_its_planes(shared_data: Path) -> None:
    folder = shared_data / "dicom_edge" / "pydicom"
    broken = open_study(folder / "badVR.dcm").series[0].load()
    whole = open_study(folder / "rtdose.dcm").series[0].load()
    np.testing.assert_array_equal(broken.array, whole.array)
    scaled = _by_gdcm(folder / "rtdose.dcm") * 1e-6  # its DoseGridScaling
    np.testing.assert_allclose(whole.array, scaled, rtol=1e-6)
    assert whole.units == ""  # DoseUnits RELATIVE


def test_frames_of_an_enhanced_ct_lie_where_the_file_says(shared_data: Path) -> None:
    import pydicom

    path = shared_data / "dicom_edge" / "pydicom-data" / "eCT_Supplemental.dcm"
    volume, dataset = open_study(path).series[0].load(), pydicom.dcmread(path)
    for frame, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        index = volume.geometry.to_index(place)
        np.testing.assert_allclose(index[1:], 0, atol=1e-4)
        np.testing.assert_array_equal(volume.array[round(index[0])], dataset.pixel_array[frame].astype(int) - 1024)


def test_each_enhanced_frame_has_its_own_scale(shared_data: Path, tmp_path: Path) -> None:
    import pydicom
    from pydicom.dataset import Dataset

    dataset = pydicom.dcmread(shared_data / "dicom_edge" / "pydicom-data" / "eCT_Supplemental.dcm")
    if "PixelValueTransformationSequence" in dataset.SharedFunctionalGroupsSequence[0]:
        del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    for frame, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        scale = Dataset()
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = frame + 1, 0, "US"
        group.PixelValueTransformationSequence = [scale]
    dataset.save_as(tmp_path / "scaled.dcm")
    volume = open_study(tmp_path / "scaled.dcm").series[0].load()
    maxima = sorted(int(plane.max()) * (k + 1) for k, plane in enumerate(dataset.pixel_array))
    assert sorted(plane.max() for plane in volume.array) == maxima
    assert volume.value_range is not None
    assert volume.value_range[1] == 2 * (2**dataset.BitsStored - 1)


def test_both_decoders_agree_where_both_can_read(shared_data: Path) -> None:
    import pydicom
    from pydicom.encaps import get_frame

    from saliency_viewer.readers.dicom.gdcm_codec import gdcm_picture

    names = ("MR_small_RLE", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless", "693_J2KI")
    for name in names:
        dataset: Any = pydicom.dcmread(shared_data / "dicom_edge" / "pydicom" / f"{name}.dcm")
        other = gdcm_picture(dataset, get_frame(dataset.PixelData, 0, number_of_frames=1))
        assert other is not None
        np.testing.assert_array_equal(other, dataset.pixel_array)


def _folder_of(root: Path) -> Path:
    return next(
        path.parent for path in sorted(root.rglob("*")) if path.is_file() and b"DICM" in path.read_bytes()[:132]
    )


# The MR is oblique; GDCM rounds its normal from the directions, we take it from the positions.
@pytest.mark.parametrize(("name", "tolerance"), [("ct_series", 1e-4), ("mr_series", 2e-3)])
def test_real_series_have_the_values_and_places_of_simpleitk(shared_data: Path, name: str, tolerance: float) -> None:
    folder = _folder_of(shared_data / name)
    reader: Any = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), reader.GetGDCMSeriesIDs(str(folder))[0]))
    image = reader.Execute()
    volume = open_study(folder).series[0].load()
    np.testing.assert_allclose(volume.array, SimpleITK.GetArrayFromImage(image), atol=1e-3)
    last = [size - 1 for size in image.GetSize()]
    for index in ([0, 0, 0], last, [last[0], 0, 0], [0, last[1], 0]):
        theirs = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(volume.geometry.to_patient(index[::-1]), theirs, atol=tolerance, rtol=0)


def test_a_media_directory_opens_the_folder_it_is_in(shared_data: Path) -> None:
    study = open_study(shared_data / "dicom_edge" / "dicomdir_media" / "DICOMDIR")
    files = [p for p in (shared_data / "dicom_edge" / "dicomdir_media").rglob("*") if p.is_file()]
    stored = sum(one.slices for one in study.series) + len(study.unreadable)
    assert 0 < stored < len(files) + 1
    assert all(one.load().array.size for one in study.series)


def test_what_a_medium_lists_and_lacks_is_said(shared_data: Path, tmp_path: Path) -> None:
    medium = shared_data / "dicom_edge" / "dicomdir_media"
    shutil.copytree(medium, tmp_path / "copy")
    assert not any("medium" in item.reason for item in open_study(tmp_path / "copy" / "DICOMDIR").unreadable)
    images = sorted(p for p in (tmp_path / "copy").rglob("*") if p.is_file() and p.name != "DICOMDIR")
    for path in images[:2]:
        path.unlink()
    said = [item.reason for item in open_study(tmp_path / "copy" / "DICOMDIR").unreadable]
    assert any(words.startswith("2 files that the medium's directory lists are not there") for words in said)


def test_hippocampus_volumes_match_nibabel(shared_data: Path) -> None:
    import nibabel

    paths = sorted(p for p in (shared_data / "hippocampus").rglob("*.nii*") if not p.name.startswith("."))[:20]
    assert paths
    for path in paths:
        image: Any = nibabel.load(path)
        volume = open_study(path).series[0].load()
        np.testing.assert_allclose(volume.array, image.get_fdata().transpose(2, 1, 0), rtol=1e-6)
        i, j, k = (size - 1 for size in image.shape[:3])
        ras = image.affine @ [i, j, k, 1]
        np.testing.assert_allclose(volume.geometry.to_patient([k, j, i]), ras[:3] * [-1, -1, 1], atol=1e-3)
