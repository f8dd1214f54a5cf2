import shutil

import numpy as np
import pydicom
import pytest
from PIL import Image
from written_tables import plan_of, rows_of, write_rows

from saliency_viewer.domain import ImageReference
from saliency_viewer.domain.training import TrainingCase
from saliency_viewer.errors import UserError
from saliency_viewer.readers import open_study
from saliency_viewer.spatial import Geometry
from saliency_viewer.training.datasets import finding_regions, load_data

TABLE = "train-rle.csv"


def geometry(case):
    return open_study(case.image.path).choose().load().geometry


def test_the_tree_is_read_as_it_was_written(siim_tree):
    root, truth = siim_tree
    data = load_data(plan_of("siim", root))
    assert data.classes == ("no pneumothorax", "pneumothorax")
    assert (data.finding, data.warnings) == ("pneumothorax", ())
    assert [(case.image.path, case.label) for case in data.cases] == [(str(one.image), one.label) for one in truth]


def test_patients_are_those_of_the_headers(siim_tree):
    root, truth = siim_tree
    cases = load_data(plan_of("siim", root)).cases
    assert len({case.patient for case in cases}) == 18
    for first, second in zip(range(24), range(1, 24), strict=False):
        assert (cases[first].patient == cases[second].patient) == (truth[first].patient == truth[second].patient)


def test_headers_that_all_name_one_patient_were_made_anonymous_and_count_for_nothing(siim):
    for path in siim.rglob("*.dcm"):
        ds = pydicom.dcmread(path)
        ds.PatientID = "ANONYMOUS"
        ds.save_as(path)
    assert len({case.patient for case in load_data(plan_of("siim", siim)).cases}) == 24


def test_the_masks_are_the_finding_exactly(siim_tree):
    root, truth = siim_tree
    data = load_data(plan_of("siim", root))
    assert [len(case.runs) for case in data.cases] == [0, 1] * 5 + [0, 2] + [0, 1] * 5 + [0, 2]
    for case, one in zip(data.cases, truth, strict=True):
        regions = finding_regions(case, geometry(case), data.finding)
        if one.label:
            assert np.array_equal(regions.mask("pneumothorax").astype(bool), one.mask)
        else:
            assert regions is None


@pytest.mark.parametrize("header", [["ImageId", "EncodedPixels"], ["ImageId", " EncodedPixels"]])
@pytest.mark.parametrize("nothing", ["-1", " -1"])
def test_every_release_of_the_table_is_read(siim, header, nothing):
    rows = rows_of(siim / TABLE)
    (siim / TABLE).unlink()
    changed = [[name, nothing if text.strip() == "-1" else text.strip()] for name, text in rows[1:]]
    write_rows(siim / "stage_2_train.csv", [header, *changed])
    cases = load_data(plan_of("siim", siim)).cases
    assert [case.label for case in cases] == [0, 1] * 12


def test_flat_copies_as_pictures_are_found_by_their_names(siim_tree, tmp_path):
    root, truth = siim_tree
    shutil.copy(root / TABLE, tmp_path)
    (tmp_path / "mask").mkdir()
    (tmp_path / "train").mkdir()
    for number, one in enumerate(truth):
        values = open_study(one.image).choose().load().array[0]
        Image.fromarray(values).save(tmp_path / "train" / f"{one.image.stem}.png")
        # Mirrors keep masks under the same names; they are not the images.
        Image.fromarray(np.full((64, 64), number, dtype=np.uint8)).save(tmp_path / "mask" / f"{one.image.stem}.png")
    data = load_data(plan_of("siim", tmp_path))
    assert {case.image.path.split("/")[-2] for case in data.cases} == {"train"}
    assert np.array_equal(
        finding_regions(data.cases[1], geometry(data.cases[1])).mask("finding").astype(bool), truth[1].mask
    )


def test_images_without_a_row_are_left_out_and_counted(siim):
    rows = rows_of(siim / TABLE)
    write_rows(siim / TABLE, [rows[0], *rows[3:]])
    data = load_data(plan_of("siim", siim))
    assert len(data.cases) == 22
    assert data.warnings == ("2 images have no row in the table and are left out.",)


def put(siim, number, text):
    rows = rows_of(siim / TABLE)
    rows[number - 1][1] = text
    write_rows(siim / TABLE, rows)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2 3", "1 row has run lengths that are no pairs of whole numbers: row 3."),
        ("1 a", "1 row has run lengths that are no pairs of whole numbers: row 3."),
        ("", "1 of 24 images has no label: row 3."),
        ("nan", "1 of 24 images has no label: row 3."),
    ],
)
def test_a_bad_row_is_named(siim, text, words):
    put(siim, 3, text)
    with pytest.raises(UserError) as caught:
        load_data(plan_of("siim", siim))
    assert words in caught.value.message


def test_minus_one_beside_run_lengths_is_a_contradiction(siim):
    put(siim, 14, "-1")
    with pytest.raises(UserError, match=r"1 row says -1 beside other run lengths of its image: row 14\."):
        load_data(plan_of("siim", siim))


def test_runs_of_the_published_size_are_resized_onto_smaller_images(siim, siim_tree):
    # Every pixel of the 64 x 64 masks becomes 16 x 16 ones, written out by hand: column by column.
    rows = rows_of(siim / TABLE)
    for row in rows[1:]:
        row[1] = enlarged(row[1])
    write_rows(siim / TABLE, rows)
    data = load_data(plan_of("siim", siim))
    assert {case.runs_shape for case in data.cases if case.runs} == {(1024, 1024)}
    assert "counted on images of 1024 x 1024" in data.warnings[0]
    for case, one in zip(data.cases, siim_tree[1], strict=True):
        if one.label:
            mask = finding_regions(case, geometry(case)).mask("finding").astype(bool)
            assert np.array_equal(mask, one.mask)


def enlarged(text):
    if text.strip() == "-1":
        return text
    numbers = [int(word) for word in text.split()]
    place, columns = 0, {}
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        place += gap
        for pixel in range(place, place + length):
            columns.setdefault(pixel // 64, []).append(pixel % 64)
        place += length
    runs, end = [], 0
    for column in range(1024):
        for row in columns.get(column // 16, []):
            start = column * 1024 + row * 16
            runs += [start - end, 16]
            end = start + 16
    return " ".join(map(str, runs))


def test_runs_that_leave_even_the_published_size_are_named(siim):
    put(siim, 5, "1048570 7")
    with pytest.raises(UserError, match=r"1 row has run lengths that leave the image: row 5\."):
        load_data(plan_of("siim", siim))


def test_a_case_without_runs_has_no_region():
    case = TrainingCase("row 2", ImageReference("x"), "p", 0)
    assert finding_regions(case, Geometry.from_spacing((1, 4, 4))) is None


def test_a_table_of_other_columns_is_refused(tmp_path):
    write_rows(tmp_path / TABLE, [["id", "rle"], ["a", "-1"]])
    with pytest.raises(UserError, match="has not the columns ImageId and EncodedPixels"):
        load_data(plan_of("siim", tmp_path))
