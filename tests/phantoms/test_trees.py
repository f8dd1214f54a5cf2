import csv
import json

import numpy as np
import pydicom
import pytest
import SimpleITK
from PIL import Image

from saliency_viewer.phantoms import make_csv, make_rsna, make_siim


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


@pytest.fixture(scope="module")
def rsna(tmp_path_factory):
    root = tmp_path_factory.mktemp("rsna")
    return root, make_rsna(root, 12, seed=3, pixels=64)


@pytest.fixture(scope="module")
def siim(tmp_path_factory):
    root = tmp_path_factory.mktemp("siim")
    return root, make_siim(root, 12, seed=3, pixels=64)


def test_the_rsna_tree_has_the_published_names_and_columns(rsna):
    root, cases = rsna
    assert sorted(path.name for path in root.iterdir()) == [
        "pneumonia-challenge-dataset-mappings_2018.json",
        "stage_2_detailed_class_info.csv",
        "stage_2_train_images",
        "stage_2_train_labels.csv",
    ]
    rows = table(root / "stage_2_train_labels.csv")
    assert rows[0] == ["patientId", "x", "y", "width", "height", "Target"]
    assert {row[0] for row in rows[1:]} == {path.stem for path in (root / "stage_2_train_images").glob("*.dcm")}
    assert len(rows) == 1 + 12 + 1  # the last opacity has two boxes
    assert [row[1:] for row in rows[1:] if row[5] == "0"] == [["", "", "", "", "0"]] * 6
    assert len(cases) == 12


def test_rsna_boxes_hold_the_finding_tightly(rsna):
    root, cases = rsna
    boxes = {}
    for name, *numbers, _ in table(root / "stage_2_train_labels.csv")[1:]:
        boxes.setdefault(name, []).append([float(number) for number in numbers if number])
    for case in cases:
        covered = np.zeros(case.mask.shape[1:], dtype=bool)
        for x, y, width, height in filter(None, boxes[case.image.stem]):
            part = (slice(int(y), int(y + height)), slice(int(x), int(x + width)))
            assert case.mask[0][part].any(axis=1).all()
            assert case.mask[0][part].any(axis=0).all()
            covered[part] = True
        assert covered[case.mask[0]].all()
        assert covered.any() == case.label


def test_rsna_classes_agree_with_targets_and_the_mapping_names_each_image_once(rsna):
    root, cases = rsna
    kinds = dict(table(root / "stage_2_detailed_class_info.csv")[1:])
    assert [kinds[case.image.stem] == "Lung Opacity" for case in cases] == [bool(case.label) for case in cases]
    assert set(kinds.values()) == {"Normal", "No Lung Opacity / Not Normal", "Lung Opacity"}
    people = json.loads((root / "pneumonia-challenge-dataset-mappings_2018.json").read_text(encoding="utf-8"))
    assert {one["subset_img_id"]: one["img_id"].split("_")[0] for one in people} == {
        case.image.stem: case.patient for case in cases
    }
    assert len({case.patient for case in cases}) == 9


def test_the_siim_tree_is_by_study_series_and_image(siim):
    root, cases = siim
    for case in cases:
        ds = pydicom.dcmread(case.image)
        expected = root / "dicom-images-train" / ds.StudyInstanceUID / ds.SeriesInstanceUID / f"{ds.SOPInstanceUID}.dcm"
        assert case.image == expected
        assert (ds.Rows, ds.Columns, ds.PatientID) == (64, 64, case.patient)
    assert len({case.image for case in cases}) == 12


def test_siim_run_lengths_are_the_finding(siim):
    root, cases = siim
    rows = table(root / "train-rle.csv")
    assert rows[0] == ["ImageId", " EncodedPixels"]
    marked = {case.image.stem: np.zeros(64 * 64, dtype=bool) for case in cases}
    for name, text in rows[1:]:
        place = 0
        numbers = [] if text.strip() == "-1" else [int(word) for word in text.split()]
        for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
            place += gap
            marked[name][place : place + length] = True
            place += length
    for case in cases:
        assert np.array_equal(marked[case.image.stem].reshape(64, 64).T, case.mask[0])
        assert case.mask.any() == case.label
    assert len(rows) == 1 + 12 + 1


@pytest.mark.parametrize("form", ["png", "dicom"])
def test_a_table_of_radiographs_has_masks_of_the_images_size(tmp_path, form):
    cases = make_csv(tmp_path, 4, seed=1, pixels=48, form=form)
    rows = table(tmp_path / "cases.csv")
    assert rows[0] == ["image", "label", "patient", "mask"]
    for case, (image, label, patient, mask) in zip(cases, rows[1:], strict=True):
        assert (tmp_path / image).is_file()
        assert (label, patient) == (("normal", "opacity")[case.label], case.patient)
        assert bool(mask) == bool(case.label)
        if mask:
            assert np.array_equal(np.asarray(Image.open(tmp_path / mask)) > 0, case.mask[0])
    assert [case.patient for case in cases] == ["P000", "P000", "P002", "P003"]


def test_a_table_of_volumes_has_a_brighter_ball_where_the_mask_says(tmp_path):
    cases = make_csv(tmp_path, 4, seed=1, pixels=24, form="volume")
    for case in cases:
        values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(case.image)))
        assert values.shape == (12, 24, 24)
        if case.label:
            assert values[case.mask].mean() > values[~case.mask].mean() + 100


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_images(tmp_path):
    trees = [make_rsna(tmp_path / name, 2, seed, 48) for name, seed in (("a", 5), ("b", 5), ("c", 6))]
    first, again, other = [[case.image.read_bytes() for case in cases] for cases in trees]
    assert first == again
    assert not set(first) & set(other)
