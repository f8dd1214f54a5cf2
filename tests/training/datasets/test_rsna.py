import json

import numpy as np
import pytest
from written_tables import plan_of, rows_of, write_rows

from saliency_viewer.domain.training import Box
from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study
from saliency_viewer.training.datasets import finding_regions, load_data, summary

LABELS = "stage_2_train_labels.csv"


def test_the_tree_is_read_as_it_was_written(rsna_tree):
    root, truth = rsna_tree
    data = load_data(plan_of("rsna", root))
    assert data.classes == ("no pneumonia", "pneumonia")
    assert (data.finding, data.modality, data.body_part) == ("opacity", ("CR", "DX"), ("CHEST",))
    assert data.warnings == ()
    assert [(case.image.path, case.patient, case.label) for case in data.cases] == [
        (str(one.image), one.patient, one.label) for one in truth
    ]
    assert summary(data) == "24 images of 18 patients: 12 no pneumonia, 12 pneumonia"


def test_the_boxes_are_tight_around_the_finding(rsna_tree):
    root, truth = rsna_tree
    data = load_data(plan_of("rsna", root))
    assert [len(case.boxes) for case in data.cases] == [0, 1] * 5 + [0, 2] + [0, 1] * 5 + [0, 2]
    for case, one in zip(data.cases, truth, strict=True):
        regions = finding_regions(case, open_study(case.image.path).choose().load().geometry, data.finding)
        if not one.label:
            assert regions is None
            continue
        assert regions.names == ("opacity",)
        mask = regions.mask("opacity").astype(bool)
        assert mask[one.mask].all()
        hit = np.argwhere(one.mask)
        assert np.array_equal(np.argwhere(mask).min(0), hit.min(0))
        assert np.array_equal(np.argwhere(mask).max(0), hit.max(0))


def test_case_names_are_rows_and_a_second_box_is_no_second_case(rsna_tree):
    names = [case.name for case in load_data(plan_of("rsna", rsna_tree[0])).cases]
    assert names[:2] == ["row 2", "row 3"]
    assert names[11:13] == ["row 13", "row 15"]


def test_three_classes_of_the_detailed_table(rsna_tree):
    data = load_data(plan_of("rsna", rsna_tree[0], {"label": "class"}))
    assert data.classes == ("normal", "no lung opacity / not normal", "lung opacity")
    assert summary(data) == ("24 images of 18 patients: 6 normal, 6 no lung opacity / not normal, 12 lung opacity")


def test_another_label_column_is_refused(rsna_tree):
    with pytest.raises(UserError, match="no such label column"):
        load_data(plan_of("rsna", rsna_tree[0], {"label": "sex"}))


def test_without_the_mapping_each_image_counts_as_a_patient_and_that_is_said(rsna):
    (rsna / "pneumonia-challenge-dataset-mappings_2018.json").unlink()
    data = load_data(plan_of("rsna", rsna))
    assert len({case.patient for case in data.cases}) == 24
    assert len(data.warnings) == 1
    assert "do not say which images are of one person" in data.warnings[0]


def test_a_damaged_mapping_is_said(rsna):
    (rsna / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps([{"a": 1}]), encoding="utf-8")
    with pytest.raises(UserError, match=r"mappings_2018\.json is damaged"):
        load_data(plan_of("rsna", rsna))


def test_the_folder_above_and_the_table_itself_open_too(rsna):
    for root in (rsna.parent, rsna / LABELS):
        assert len(load_data(plan_of("rsna", root)).cases) == 24


def test_the_published_spellings_of_numbers_are_read(rsna):
    rows = rows_of(rsna / LABELS)
    rows[1][1:] = ["NaN", "nan", "", "", "0.0"]
    rows[2][1:] = ["10.5", "12", "3.25", "4", "1"]
    write_rows(rsna / LABELS, rows)
    cases = load_data(plan_of("rsna", rsna)).cases
    assert cases[0].boxes == ()
    assert cases[1].boxes == (Box(row=12.0, column=10.5, height=4.0, width=3.25),)


def changed(rsna, number, **cells):
    """Write the table with other cells in spreadsheet row ``number``."""
    rows = rows_of(rsna / LABELS)
    for name, text in cells.items():
        rows[number - 1][rows[0].index(name)] = text
    write_rows(rsna / LABELS, rows)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"x": "60", "width": "10"}, "1 box lies outside its image: row 3."),
        ({"y": "-3"}, "1 box lies outside its image: row 3."),
        ({"width": "0"}, "1 box lacks a number or has no size: row 3."),
        ({"height": "-4"}, "1 box lacks a number or has no size: row 3."),
        ({"x": ""}, "1 box lacks a number or has no size: row 3."),
        ({"x": "left"}, "1 box lacks a number or has no size: row 3."),
        ({"x": "inf"}, "1 box lacks a number or has no size: row 3."),
        ({"Target": "0"}, "1 box stands on an image without the finding: row 3."),
        ({"Target": "2"}, "1 of 24 images has an unknown label: row 3."),
        ({"Target": ""}, "1 of 24 images has no label: row 3."),
        ({"patientId": ""}, "1 row names no image: row 3."),
        ({"patientId": "../outside"}, "1 row names no image: row 3."),
        ({"patientId": "elsewhere"}, "1 of 24 images is not there: row 3."),
    ],
)
def test_a_bad_row_is_named(rsna, cells, words):
    changed(rsna, 3, **cells)
    with pytest.raises(UserError) as caught:
        load_data(plan_of("rsna", rsna))
    assert words in caught.value.message


def test_the_second_box_of_an_image_is_named_by_its_own_row(rsna):
    changed(rsna, 14, x="63", width="9")
    with pytest.raises(UserError, match=r"1 box lies outside its image: row 14\."):
        load_data(plan_of("rsna", rsna))


def test_a_box_may_touch_the_border(rsna):
    changed(rsna, 3, x="0", y="0", width="64", height="64")
    assert load_data(plan_of("rsna", rsna)).cases[1].boxes == (Box(0, 0, 64, 64),)


def test_rows_of_one_image_must_agree(rsna):
    changed(rsna, 14, Target="0", x="", y="", width="", height="")
    with pytest.raises(UserError, match=r"1 of 24 images is listed with two labels: row 13\."):
        load_data(plan_of("rsna", rsna))


def test_packed_and_missing_folders_say_what_to_do(rsna):
    (rsna / "stage_2_train_images").rename(rsna / "elsewhere")
    with pytest.raises(UserError, match="The folder stage_2_train_images with the images is not there"):
        load_data(plan_of("rsna", rsna))
    (rsna / "stage_2_train_images.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"Unpack stage_2_train_images\.zip"):
        load_data(plan_of("rsna", rsna))


def test_another_folder_is_no_such_data_set(tmp_path):
    with pytest.raises(UserError, match=r"holds no stage_2_train_labels\.csv"):
        load_data(plan_of("rsna", tmp_path))
    with pytest.raises(UserError, match="no such data set folder"):
        load_data(plan_of("rsna", tmp_path / "absent"))
    write_rows(tmp_path / LABELS, [["patientId", "Target"], ["a", "1"]])
    with pytest.raises(UserError, match="no column x and no column y and no column width"):
        load_data(plan_of("rsna", tmp_path))
