"""Licensed real images, where they are at hand: through the whole chain, held against foreign readers."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from PIL import Image

from saliency_viewer.domain import AnalysisPlan, ImageReference, MethodRequest
from saliency_viewer.pipeline import Services, explain_study

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


def plan(image: Path, model: Path) -> AnalysisPlan:
    return AnalysisPlan(ImageReference(str(image)), str(model), (MethodRequest("grad-cam"),), threads=1, device="cpu")


def exported(out: Path) -> nibabel.Nifti1Image:
    return nibabel.load(next(out.rglob("*.nii.gz")))


# The MR series gives its positions rounded: ITK steps along the slices' normal, the program along the positions.
@pytest.mark.parametrize(("name", "tolerance"), [("ct_series", 1e-4), ("mr_series", 1e-2)])
def test_a_series_map_lies_where_simpleitk_reads_the_series(
    name: str, tolerance: float, shared_data: Path, plane_model: Path, tmp_path: Path
) -> None:
    explain_study(plan(shared_data / name, plane_model), Services(), tmp_path)
    map_image = exported(tmp_path)
    folder = next(path.parent for path in sorted((shared_data / name).rglob("*.dcm")))
    source = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    assert map_image.shape == source.GetSize()
    for corner in np.ndindex(2, 2, 2):
        index = [int(k * (n - 1)) for k, n in zip(corner, source.GetSize(), strict=True)]
        point = np.array(source.TransformIndexToPhysicalPoint(index)) * LPS_TO_RAS
        distance = np.linalg.norm(nibabel.affines.apply_affine(map_image.affine, index) - point)
        assert distance < tolerance


def test_a_radiographs_lung_share_follows_from_map_and_mask(
    shared_data: Path, plane_model: Path, tmp_path: Path
) -> None:
    mask = sorted((shared_data / "cxr" / "masks").glob("*.png"))[0]
    image = next((shared_data / "cxr" / "images").glob(f"{mask.stem}.*"))
    outcome = explain_study(plan(image, plane_model), Services(), tmp_path, [mask])
    with Image.open(mask) as picture:
        inside = np.asarray(picture.convert("L")) > 0
    values = np.load(next(tmp_path.rglob("*.npy")))[0].astype(np.float64)
    positive = np.clip(np.nan_to_num(values), 0, None)
    (row,) = [row for row in outcome.rows if row.statistic == "mass_fraction" and not row.region.startswith("outside")]
    assert row.value == pytest.approx(positive[inside].sum() / positive.sum(), rel=1e-5)


def test_a_hippocampus_volume_and_its_labels_go_through(shared_data: Path, block_model: Path, tmp_path: Path) -> None:
    label = sorted((shared_data / "hippocampus" / "labels").glob("*.nii*"))[0]
    image = shared_data / "hippocampus" / "images" / label.name
    outcome = explain_study(plan(image, block_model), Services(), tmp_path, [label])
    np.testing.assert_allclose(exported(tmp_path).affine, nibabel.load(image).affine, atol=1e-4)
    labels = np.asarray(nibabel.load(label).dataobj)
    counts = {row.region: row.value for row in outcome.rows if row.statistic == "voxels"}
    for value in np.unique(labels)[1:]:
        assert counts[f"label {int(value)}"] == np.count_nonzero(labels == value)
