import shutil

import numpy as np
import pydicom
import pytest
from PIL import Image
from written_tables import plan_of

from saliency_viewer.errors import UserError
from saliency_viewer.training.datasets import load_data


def test_a_row_that_repeats_an_image_counts_once(tables):
    rows = [*tables.plain(), ["3.png", "1", "Muster^3"], ["./3.png", "1", "Muster^3"]]
    data = load_data(plan_of("csv", tables.write(rows)))
    assert len(data.cases) == 12
    assert data.warnings == ("2 rows repeat an image and count once: rows 14 and 15.",)


def test_one_image_with_two_labels_is_named(tables):
    rows = [*tables.plain(), ["3.png", "0", "Muster^3"]]
    with pytest.raises(UserError, match=r"1 of 13 images is listed with two labels: row 14\."):
        load_data(plan_of("csv", tables.write(rows)))


def test_one_image_listed_under_two_patients_makes_them_one(tables):
    rows = [*tables.plain(), ["3.png", "1", "Muster^5"]]
    data = load_data(plan_of("csv", tables.write(rows)))
    assert data.cases[3].patient == data.cases[5].patient


def test_copies_under_other_names_make_their_patients_one(tables):
    rows = tables.plain()
    path = tables.write(rows)
    shutil.copy(tables.root / "3.png", tables.root / "7.png")
    shutil.copy(tables.root / "7.png", tables.root / "9.png")
    data = load_data(plan_of("csv", path))
    assert len(data.cases) == 12
    assert data.cases[3].patient == data.cases[7].patient == data.cases[9].patient
    assert len({case.patient for case in data.cases}) == 10
    assert data.warnings == ("2 images are listed under another patient; both count as one person: rows 9 and 11.",)


def test_copies_of_one_patient_are_nothing_to_speak_of(tables):
    rows = tables.plain()
    rows[7][2] = rows[3][2]
    path = tables.write(rows)
    shutil.copy(tables.root / "3.png", tables.root / "7.png")
    assert load_data(plan_of("csv", path)).warnings == ()


def test_copies_with_other_labels_are_named(tables):
    path = tables.write(tables.plain())
    shutil.copy(tables.root / "3.png", tables.root / "6.png")
    with pytest.raises(UserError, match=r"2 of 12 images are copies of other ones with another label: rows 5 and 8\."):
        load_data(plan_of("csv", path))


def test_a_copy_under_another_header_is_found(rsna):
    """The same pixels in a file of another patient, study and name: only the header differs."""
    images = sorted((rsna / "stage_2_train_images").glob("*.dcm"))
    data = load_data(plan_of("rsna", rsna))
    positive = [case for case in data.cases if case.label]
    first, second = positive[0], positive[2]
    ds, other = pydicom.dcmread(first.image.path), pydicom.dcmread(second.image.path)
    other.PixelData = ds.PixelData
    other.PatientID = "a" * 60
    other.save_as(second.image.path)
    changed = load_data(plan_of("rsna", rsna))
    assert len(images) == len(changed.cases)
    patients = {case.name: case.patient for case in changed.cases}
    assert patients[first.name] == patients[second.name]
    assert "1 image is listed under another patient" in changed.warnings[0]


def test_contradicting_copies_in_a_published_set_are_left_out(rsna):
    data = load_data(plan_of("rsna", rsna))
    first, second = data.cases[2], data.cases[3]
    ds, other = pydicom.dcmread(first.image.path), pydicom.dcmread(second.image.path)
    other.PixelData = ds.PixelData
    other.save_as(second.image.path)
    changed = load_data(plan_of("rsna", rsna))
    assert {case.name for case in data.cases} - {case.name for case in changed.cases} == {"row 4", "row 5"}
    assert changed.warnings[-1] == "2 images are there with another label too; all are left out: rows 4 and 5."


def test_pictures_that_end_alike_are_no_copies(tables):
    """Black borders make files alike at their ends; all pixels decide."""
    rows = tables.plain()
    for number, row in enumerate(rows):
        values = np.zeros((300, 300), dtype=np.uint8)
        values[0, number] = 200
        row[0] = f"{number}.bmp"
        Image.fromarray(values).save(tables.root / row[0])
    data = load_data(plan_of("csv", tables.write(rows)))
    assert data.warnings == ()
    assert len({case.patient for case in data.cases}) == 12
