import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK

from saliency_viewer.errors import UserError
from saliency_viewer.phantoms import brain_phantom, chest_phantom, write_dicom_dx, write_dicom_mr


@pytest.fixture(scope="module")
def chest(tmp_path_factory):
    phantom = chest_phantom(20, "left")
    return phantom, write_dicom_dx(phantom, tmp_path_factory.mktemp("dx"))[0]


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    phantom = brain_phantom(20, "left")
    return phantom, write_dicom_mr(phantom, tmp_path_factory.mktemp("mr"))


def complaints(path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith(("Error", "Warning"))]


def test_the_radiograph_is_valid_dicom(chest):
    assert complaints(chest[1]) == []


def test_every_kind_of_slice_is_valid_dicom(brain):
    for path in (brain[1][0], brain[1][35], brain[1][-1]):
        assert complaints(path) == []


def test_the_radiograph_holds_the_phantoms_pixels_and_orientation(chest):
    phantom, path = chest
    ds = pydicom.dcmread(path)
    np.testing.assert_array_equal(ds.pixel_array, phantom.volume.array[0])
    assert list(ds.PatientOrientation) == ["L", "F"]
    np.testing.assert_allclose([float(v) for v in ds.PixelSpacing], phantom.volume.geometry.spacing[1:], rtol=1e-8)
    assert ds.PatientName == "MADE^UP"
    assert ds.SOPInstanceUID.startswith("2.25.")
    assert len(ds.SOPInstanceUID) <= 64


def test_simpleitk_reads_the_series_on_the_same_grid(brain):
    phantom, paths = brain
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(paths[0].parent))
    image = SimpleITK.ReadImage(names)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), phantom.volume.array)
    for index in ((0, 0, 0), (69, 0, 0), (10, 97, 0), (33, 5, 79)):
        point = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose(point, phantom.volume.geometry.to_patient(index), atol=1e-6)


def test_identifiers_depend_on_the_phantom_alone(chest, tmp_path):
    again = pydicom.dcmread(write_dicom_dx(chest_phantom(20, "left", 64), tmp_path / "a")[0])
    other = pydicom.dcmread(write_dicom_dx(chest_phantom(21, "left", 64), tmp_path / "b")[0])
    first = pydicom.dcmread(chest[1])
    assert again.StudyInstanceUID == first.StudyInstanceUID != other.StudyInstanceUID


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError):
        write_dicom_dx(chest_phantom(1, None, 64), tmp_path / "taken")
