import numpy as np
import pytest
import SimpleITK
from PIL import Image
from written_tables import picture, plan_of, write_rows

from saliency_viewer.errors import Cancelled, UserError
from saliency_viewer.phantoms import make_csv
from saliency_viewer.readers import open_study
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.datasets import finding_regions, load_data, split, summary


def loaded(tables, rows, header=("image", "label", "patient"), columns=None, **settings):
    return load_data(plan_of("csv", tables.write(rows, header), columns, **settings))


def refused(tables, rows, header=("image", "label", "patient"), columns=None, **settings):
    with pytest.raises(UserError) as caught:
        loaded(tables, rows, header, columns, **settings)
    error = caught.value
    assert "Muster" not in f"{error} {error.detail}"
    assert "/" not in f"{error} {error.detail}".replace("n/a", "")
    return error.message


@pytest.mark.parametrize("form", ["png", "dicom", "volume"])
def test_every_form_of_image_is_read_with_its_masks(tmp_path, form):
    truth = make_csv(tmp_path, 8, seed=2, pixels=32, form=form)
    data = load_data(plan_of("csv", tmp_path / "cases.csv"))
    assert data.classes == ("normal", "opacity")
    assert [(case.label, case.patient) for case in data.cases] == [(one.label, one.patient) for one in truth]
    assert (data.modality, data.body_part) == ((("DX",), ("CHEST",)) if form == "dicom" else ((), ()))
    assert data.warnings == ()
    for case, one in zip(data.cases, truth, strict=True):
        regions = finding_regions(case, open_study(case.image.path).choose().load().geometry, "lesion")
        assert (regions is not None) == bool(one.label)
        if one.label:
            assert regions.names == ("lesion",)
            assert np.array_equal(regions.mask("lesion").astype(bool), one.mask)


def test_columns_of_other_names_are_named_by_the_plan(tables):
    rows = [[one[0], "x", one[1], one[2]] for one in tables.plain()]
    header = ("Datei", "label", "Befund", "Person")
    data = loaded(tables, rows, header, {"image": "datei", "label": "BEFUND ", "patient": "Person"})
    assert data.classes == ("0", "1")
    assert {case.patient for case in data.cases} == {row[2] for row in tables.plain()}


@pytest.mark.parametrize(
    ("header", "columns", "words"),
    [
        (("a", "label", "patient"), {}, "The table has no column 'image'"),
        (("image", "b", "patient"), {}, "The table has no column 'label'"),
        (("image", "label", "patient"), {"label": "finding"}, "The table has no column 'finding'"),
        (("image", "label", "patient"), {"mask": "masks"}, "The table has no column 'masks'"),
        (("image", "label", "patient"), {"colour": "label"}, "There is no column role 'colour'"),
        (("image", "label", "patient"), {"label": "image"}, "The column 'image' is asked for twice"),
    ],
)
def test_a_column_that_is_not_there_is_said(tables, header, columns, words):
    assert words in refused(tables, tables.plain(), header, columns)


def test_the_hint_lists_the_columns(tables):
    with pytest.raises(UserError) as caught:
        loaded(tables, tables.plain(), ("file", "view", "patient"))
    assert "It has: file, view, patient." in caught.value.hint


def test_images_and_masks_may_lie_in_folders_of_that_name(tables):
    rows = [[one[0], one[1], one[2], f"m{one[0]}" if one[1] == "1" else ""] for one in tables.plain()]
    for number, row in enumerate(rows):
        picture(tables.root / "images" / row[0], number)
        if row[3]:
            mask = np.zeros((12, 16), dtype=np.uint8)
            mask[number : number + 1, 3:5] = 1
            (tables.root / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(tables.root / "masks" / row[3])
    data = load_data(plan_of("csv", tables.write(rows, ("image", "label", "patient", "mask"), draw=False)))
    assert all(case.image.path.startswith(str(tables.root / "images")) for case in data.cases)
    assert [bool(case.mask) for case in data.cases] == [False, True] * 6


def test_paths_written_on_windows_are_found(tables):
    rows = tables.plain()
    for number, row in enumerate(rows):
        picture(tables.root / "sub" / row[0], number)
        row[0] = f"sub\\{row[0]}"
    assert len(load_data(plan_of("csv", tables.write(rows, draw=False))).cases) == 12


def test_a_folder_with_one_table_is_that_table(tables):
    tables.write(tables.plain())
    assert len(load_data(plan_of("csv", tables.root)).cases) == 12
    write_rows(tables.root / "other.csv", [["a"]])
    with pytest.raises(UserError, match="The folder holds 2 tables"):
        load_data(plan_of("csv", tables.root))


def test_folders_of_dicom_and_series_of_a_study_are_images(tables):
    rows = []
    for number in range(8):
        image = SimpleITK.GetImageFromArray(np.full((3, 8, 8), number, dtype=np.int16))
        folder = tables.root / f"study{number}"
        folder.mkdir()
        SimpleITK.WriteImage(image, str(folder / "a.nrrd"))
        SimpleITK.WriteImage(image[:, :, :2] + 100, str(folder / "b.nrrd"))
        rows.append([folder.name, str(number % 2), f"p{number}", "2"])
    data = load_data(plan_of("csv", tables.write(rows, ("image", "label", "patient", "series"), draw=False)))
    assert [case.image.series for case in data.cases] == ["2"] * 8
    rows[4][3] = "7"
    assert "1 of 8 images cannot be read: row 6." in refused(tables, rows, ("image", "label", "patient", "series"))


def test_missing_and_damaged_images_are_counted_in_one_summary(tables):
    rows = tables.plain(20)
    path = tables.write(rows)
    for number in (3, 7, 10, 12):
        (tables.root / f"{number}.png").unlink()
    (tables.root / "4.png").write_bytes(b"no picture")
    with pytest.raises(UserError) as caught:
        load_data(plan_of("csv", path))
    assert caught.value.message == (
        "4 of 20 images are not there: rows 5, 9, 12 and 1 more. 1 of 20 images cannot be read: row 6."
    )
    assert caught.value.hint == (
        "Copy the missing images, or take their rows out of the table. Copy the damaged images again, or take their "
        "rows out. Rows are counted as in a spreadsheet: the header is row 1."
    )
    assert "are not there: rows 5, 9, 12 and 14" in caught.value.detail


def test_when_no_image_is_there_it_is_one_mistake(tables):
    path = tables.write(tables.plain(), draw=False)
    with pytest.raises(UserError, match="None of the 12 images is there"):
        load_data(plan_of("csv", path))


@pytest.mark.parametrize("text", ["", "nan", "NA"])
def test_missing_labels_are_named(tables, text):
    rows = tables.plain()
    rows[2][1] = rows[5][1] = text
    assert refused(tables, rows) == "2 of 12 images have no label: rows 4 and 7."


@pytest.mark.parametrize("text", ["unknown", "?"])
def test_unknown_labels_are_no_class(tables, text):
    rows = tables.plain()
    rows[2][1] = text
    assert refused(tables, rows) == "1 of 12 images has an unknown label: row 4."


def test_missing_patients_and_image_names_are_named(tables):
    rows = tables.plain()
    rows[1][2] = ""
    rows[8][0] = ""
    words = refused(tables, rows)
    assert "1 of 12 images has no patient: row 3." in words
    assert "1 row names no image: row 10." in words


def test_one_class_is_nothing_to_tell_apart(tables):
    rows = [[one[0], "normal", one[2]] for one in tables.plain()]
    assert refused(tables, rows) == ("All 12 images are of one class, 'normal', so there is nothing to tell apart.")


def test_a_class_of_one_patient_is_said_whatever_its_images(tables):
    rows = [*tables.plain(), *[[f"{k}.png", "2", "Muster^Erika"] for k in (20, 21, 22)]]
    assert refused(tables, rows) == (
        "Too few patients of some classes, since training, validation and test need one each: '2' of one patient."
    )


def test_without_a_test_side_two_patients_of_a_class_are_enough(tables):
    rows = [*tables.plain(), ["20.png", "2", "a"], ["21.png", "2", "b"]]
    assert "'2' of 2 patients" in refused(tables, rows)
    assert loaded(tables, rows, test=0.0).classes == ("0", "1", "2")


def test_names_in_the_place_of_labels_are_not_shown(tables):
    rows = [[one[0], f"Muster^{k}", one[2]] for k, one in enumerate(tables.plain(40))]
    assert "40 different texts for 40 images" in refused(tables, rows)
    rows = [[one[0], f"Muster^{k}", one[2]] for k, one in enumerate(tables.plain(10))]
    assert refused(tables, rows) == "Each of the 10 classes has images of one patient at most."


@pytest.mark.parametrize("content", ["", "image,label,patient\n"])
def test_an_empty_table_is_said(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"is empty|has no rows"):
        load_data(plan_of("csv", path))


MASKED = ("image", "label", "patient", "mask")


def with_masks(tables, **changes):
    """Rows with a mask for each image of class 1; ``changes``: the array, bytes or None (absent) for image k<n>."""
    rows = []
    for number, row in enumerate(tables.plain()):
        name = f"mask{number}.png" if row[1] == "1" or f"k{number}" in changes else ""
        rows.append([*row, name])
        if not name:
            continue
        content = changes.get(
            f"k{number}", np.pad(np.full((4, 4), 255, np.uint8), ((1, 7), (number % 8, 12 - number % 8)))
        )
        if isinstance(content, bytes):
            (tables.root / name).write_bytes(content)
        elif content is not None:
            Image.fromarray(content).save(tables.root / name)
    return rows


def test_masks_that_fit_are_taken_and_empty_ones_mean_no_finding(tables):
    rows = with_masks(tables, k2=np.zeros((12, 16), np.uint8))
    data = loaded(tables, rows, MASKED)
    geometry = open_study(data.cases[2].image.path).choose().load().geometry
    assert finding_regions(data.cases[2], geometry) is None
    assert finding_regions(data.cases[3], geometry).mask("finding").sum() == 16


@pytest.mark.parametrize(
    "content",
    [
        np.ones((12, 15), np.uint8),
        np.ones((16, 12), np.uint8),
        np.zeros((4, 4), np.uint8),
        b"nothing",
        np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8),
    ],
)
def test_masks_of_another_shape_or_kind_are_named(tables, content):
    rows = with_masks(tables, k3=content)
    assert refused(tables, rows, MASKED) == "1 of 12 images has a mask that cannot be read or does not fit it: row 5."


def test_absent_masks_are_named(tables):
    rows = with_masks(tables, k3=None, k5=None)
    assert refused(tables, rows, MASKED) == "2 of 12 images have a mask that is not there: rows 5 and 7."


def test_a_mask_of_another_volume_is_named(tmp_path):
    make_csv(tmp_path, 8, seed=2, pixels=16, form="volume")
    far = SimpleITK.GetImageFromArray(np.ones((8, 16, 15), dtype=np.uint8))
    far.SetOrigin((500.0, 0.0, 0.0))
    SimpleITK.WriteImage(far, str(tmp_path / "masks" / "0003.nrrd"))
    with pytest.raises(UserError, match=r"does not fit it: row 5\."):
        load_data(plan_of("csv", tmp_path / "cases.csv"))


def test_a_mask_cropped_from_its_volume_fits(tmp_path):
    truth = make_csv(tmp_path, 8, seed=2, pixels=16, form="volume")
    path = tmp_path / "masks" / "0003.nrrd"
    whole = SimpleITK.ReadImage(str(path))
    hit = np.argwhere(truth[3].mask)
    low, high = hit.min(0)[::-1].tolist(), (hit.max(0)[::-1] + 1).tolist()
    SimpleITK.WriteImage(whole[low[0] : high[0], low[1] : high[1], low[2] : high[2]], str(path))
    case = load_data(plan_of("csv", tmp_path / "cases.csv")).cases[3]
    regions = finding_regions(case, open_study(case.image.path).choose().load().geometry)
    assert np.array_equal(regions.mask("finding").astype(bool), truth[3].mask)


def test_without_patients_headers_are_asked_and_that_is_said(tmp_path):
    make_csv(tmp_path, 8, seed=2, pixels=32, form="dicom")
    data = load_data(plan_of("csv", tmp_path / "cases.csv"))
    assert len({case.patient for case in data.cases}) == 6
    text = (tmp_path / "cases.csv").read_text(encoding="utf-8").replace("patient", "remark")
    (tmp_path / "cases.csv").write_text(text, encoding="utf-8")
    data = load_data(plan_of("csv", tmp_path / "cases.csv"))
    assert len({case.patient for case in data.cases}) == 8  # the phantoms' headers name each its own
    assert all(case.patient.startswith("header ") for case in data.cases)
    assert "has no patient column" in data.warnings[0]


SPLIT = ("image", "label", "patient", "split")


def sided(tables, sides):
    return [[*row, sides[number % len(sides)]] for number, row in enumerate(tables.plain(len(sides)))]


def test_the_tables_own_split_is_kept(tables):
    sides = ["train"] * 6 + ["Val"] * 4 + ["TEST"] * 4
    data = loaded(tables, sided(tables, sides), SPLIT)
    found = split(data, plan_of("csv", "").settings)
    assert (found.training, found.validation, found.test) == (
        tuple(range(6)), tuple(range(6, 10)), tuple(range(10, 14))
    )  # fmt: skip


def test_a_split_without_validation_has_it_drawn_from_training(tables):
    data = loaded(tables, sided(tables, ["train"] * 16 + ["test"] * 4), SPLIT)
    found = split(data, plan_of("csv", "", validation=0.25).settings)
    assert found.test == (16, 17, 18, 19)
    assert len(found.validation) == 4
    assert sorted((*found.training, *found.validation)) == list(range(16))


def test_a_split_without_test_has_none(tables):
    data = loaded(tables, sided(tables, ["train"] * 8 + ["val"] * 4), SPLIT)
    assert split(data, plan_of("csv", "").settings).test == ()


def test_a_patient_on_two_sides_of_the_tables_split_is_named(tables):
    rows = sided(tables, ["train"] * 6 + ["val"] * 4 + ["test"] * 4)
    rows[7][2] = rows[1][2]
    assert refused(tables, rows, SPLIT) == (
        "2 of 14 images are of patients with images on two sides of the split: rows 3 and 9."
    )


def test_unknown_sides_are_named(tables):
    rows = sided(tables, ["train"] * 6 + ["val"] * 4 + ["test"] * 4)
    rows[0][3], rows[9][3] = "maybe", ""
    assert "2 of 14 images have no known side in the split column: rows 2 and 11." in refused(tables, rows, SPLIT)


def test_a_side_without_a_class_is_named(tables):
    rows = sided(tables, ["train"] * 6 + ["val"] * 4 + ["test"] * 4)
    for row in rows[10:]:
        row[1] = "1"
    data = loaded(tables, rows, SPLIT)
    with pytest.raises(UserError, match="The test side of the data set's own split has no image of the class '0'"):
        split(data, plan_of("csv", "").settings)


def test_pictures_among_volumes_are_said(tmp_path):
    make_csv(tmp_path, 8, seed=2, pixels=16, form="volume")
    picture(tmp_path / "images" / "flat.png", 1)
    with (tmp_path / "cases.csv").open("a", encoding="utf-8") as stream:
        stream.write("images/flat.png,normal,Q,\n")
    assert load_data(plan_of("csv", tmp_path / "cases.csv")).warnings == (
        "8 of 9 images are volumes of several slices, the others single pictures.",
    )


def test_progress_never_goes_back_and_ends_at_the_end(tables):
    said = []
    path = tables.write(tables.plain(40))
    load_data(plan_of("csv", path), RunContext(lambda fraction, text: said.append((fraction, text))))
    fractions = [fraction for fraction, _ in said]
    assert fractions == sorted(fractions)
    assert any("Looking at images: 32 of 40" in text for _, text in said)


def test_the_work_can_be_cancelled(tables):
    path = tables.write(tables.plain())
    with pytest.raises(Cancelled):
        load_data(plan_of("csv", path), RunContext(cancel=lambda: True))


def test_a_limit_draws_patients_of_every_class_and_the_same_ones_again(tables):
    rows = [[f"{k}.png", "rare" if k % 10 == 0 else "common", f"p{k // 2}"] for k in range(60)]
    path = tables.write(rows)
    data = load_data(plan_of("csv", path, limit=20))
    assert len(data.cases) == 20
    assert summary(data).startswith("20 images of 10 patients")
    assert {case.label for case in data.cases} == {0, 1}
    again = load_data(plan_of("csv", path, limit=20))
    other = load_data(plan_of("csv", path, limit=20, seed=1))
    assert data == again
    assert data != other


def test_with_a_limit_only_the_drawn_images_must_be_there(tables):
    path = tables.write(tables.plain(30))
    drawn = load_data(plan_of("csv", path, limit=12))
    kept = {case.image.path for case in drawn.cases}
    for number in range(30):
        if str(tables.root / f"{number}.png") not in kept:
            (tables.root / f"{number}.png").unlink()
    assert load_data(plan_of("csv", path, limit=12)) == drawn


@pytest.mark.parametrize("text", ["x" * 5000, "~nobody/x.png", "a\\b.png", "con:"])
def test_texts_that_are_no_images_are_named(tables, text):
    rows = tables.plain()
    path = tables.write(rows)
    rows[4][0] = text
    rows[6].append(text)
    path = tables.write([[*row, ""][:4] for row in rows], ("image", "label", "patient", "mask"), draw=False)
    with pytest.raises(UserError) as caught:
        load_data(plan_of("csv", path))
    words = caught.value.message
    assert "row 6." in words
    assert "row 8." in words
    assert text not in f"{caught.value} {caught.value.detail}"
