from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.pipeline import Services, run_plan, write_demo
from saliency_viewer.readers import load_regions, open_study


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    return folder


def test_the_tree_is_the_agreed_one(demo: Path) -> None:
    for name in ("chest/study", "chest/model", "brain/study", "brain/nifti", "brain/model"):
        assert any((demo / name).iterdir()), name
    for kind in ("chest", "brain"):
        assert (demo / kind / "regions.nii.gz").is_file()
        assert (demo / kind / "model" / "model.toml").is_file()


@pytest.mark.parametrize("kind", ["chest", "brain"])
def test_the_truth_lies_on_the_study(demo: Path, kind: str) -> None:
    volume = open_study(demo / kind / "study").choose().load()
    regions = load_regions(demo / kind / "regions.nii.gz", volume.geometry)
    assert all(region.voxels for region in regions.regions)
    if kind == "chest":
        # The lesion lies on its lung, and the lung is whole all the same.
        assert regions.names == ("right lung", "left lung", "lesion")
        assert np.all(regions.mask("left lung")[regions.mask("lesion") == 1])
    else:
        assert regions.names == ("right hippocampus", "left hippocampus", "brain")


def test_the_brain_is_the_same_as_dicom_and_as_nifti(demo: Path) -> None:
    dicom = open_study(demo / "brain" / "study").choose().load()
    nifti = open_study(demo / "brain" / "nifti").choose().load()
    assert dicom.geometry.same_as(nifti.geometry)
    np.testing.assert_allclose(dicom.array, nifti.array)


def test_simpleitk_sees_the_brain_at_the_same_place(demo: Path) -> None:
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(demo / "brain" / "study"))
    image = SimpleITK.ReadImage(names)
    truth = nibabel.load(demo / "brain" / "regions.nii.gz")
    corner = image.TransformIndexToPhysicalPoint(tuple(int(n) - 1 for n in image.GetSize()))
    affine = open_study(demo / "brain" / "study").choose().load().geometry
    np.testing.assert_allclose(corner, affine.to_patient(tuple(n - 1 for n in affine.shape)), atol=1e-3)
    assert tuple(image.GetSize()) == truth.shape


@pytest.mark.parametrize(("kind", "label"), [("chest", "opacity"), ("brain", "TLE")])
def test_the_demo_model_is_right_about_the_demo_study(demo: Path, kind: str, label: str) -> None:
    plan = AnalysisPlan(
        ImageReference(str(demo / kind / "study")), str(demo / kind / "model"), (MethodRequest("grad-cam"),), threads=1
    )
    result = run_plan(plan, Services())
    assert result.prediction.label == label
    assert not result.maps[0].is_empty()
