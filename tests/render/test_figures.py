from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import ImageDraw

from saliency_viewer.domain import (
    RESEARCH_NOTICE,
    Prediction,
    Region,
    RegionSet,
    StatisticRow,
    Volume,
    Window,
)
from saliency_viewer.render import SlicePicture, slice_figure, statistics_figure, summary_figure
from saliency_viewer.spatial import Geometry

PREDICTION = Prediction(("normal", "pneumonia"), np.array([-2.0, 2.0]), np.array([0.02, 0.98]), 1)


def grid_towards(letters, shape, spacing=(1.0, 1.0, 1.0)):
    """A grid whose (slice, row, column) grow towards the given sides."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, letter in enumerate(letters):
        affine["LPS".index(letter) if letter in "LPS" else "RAI".index(letter), axis] = spacing[axis] * (
            1 if letter in "LPS" else -1
        )
    return Geometry(shape, affine)


@pytest.fixture
def written(monkeypatch):
    """All words that figures draw."""
    words = []
    original = ImageDraw.ImageDraw.text

    def text(self, xy, text, *args, **kwargs):
        words.append(text)
        return original(self, xy, text, *args, **kwargs)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return words


@pytest.fixture
def case(make_map):
    shape = (6, 20, 30)
    rng = np.random.default_rng(0)
    grid = grid_towards("SPL", shape, (3.0, 1.0, 1.0))
    volume = Volume(rng.integers(0, 1000, shape).astype(np.int16), grid)
    array = rng.normal(size=shape)
    array[5] = np.nan
    mask = np.zeros(shape)
    mask[2, 5:10, 5:10] = 1
    return volume, make_map(array, grid), RegionSet(grid, (Region.from_mask("Lesion", "#00FF00", mask),))


@pytest.mark.parametrize("letters", ["SPL", "IAR", "PSL", "AIR", "LPS", "RAI", "LSP"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_picture_stands_as_a_radiologist_expects(letters, axis):
    shape, point = (8, 9, 10), 6.0
    grid = grid_towards(letters, shape)
    # A voxel towards left, posterior and superior of the middle must stand right, below and above.
    middle = grid.to_patient([(n - 1) / 2 for n in shape])
    index = np.rint(grid.to_index(middle + np.array([3.0, 3.0, 3.0]))).astype(int)
    array = np.zeros(shape)
    array[tuple(index)] = point
    picture = SlicePicture.of(grid, axis, 100)
    ((row, column),) = np.argwhere(picture.cut(array, int(index[axis])) == point)
    height, width = picture.cut(array, 0).shape
    right, below = column > (width - 1) / 2, row > (height - 1) / 2
    expected = {"axial": (True, True), "coronal": (True, False), "sagittal": (True, False)}[picture.plane.name]
    assert (right, below) == expected
    sides = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "S", "I"), "sagittal": ("A", "P", "S", "I")}
    assert picture.letters == sides[picture.plane.name]


def test_picture_has_the_aspect_ratio_of_the_millimetres():
    grid = Geometry.from_spacing((10, 20, 40), (4.0, 1.0, 0.5), "patient", True)
    assert SlicePicture.of(grid, 0, 200).shape == (200, 200)
    assert SlicePicture.of(grid, 1, 200).shape == (200, 100)  # 10 * 4 mm high, 40 * 0.5 mm wide


def test_outline_points_land_on_the_scaled_picture():
    grid = Geometry.from_spacing((1, 10, 20), (1.0, 2.0, 1.0))
    picture = SlicePicture.of(grid, 0, 200)
    corners = picture.points(np.array([[-0.5, -0.5], [9.5, 19.5], [4.5, 9.5]]))
    assert np.allclose(corners, [[0, 0], [200, 200], [100, 100]])


def test_slice_figure_shows_image_map_and_overlay_and_says_what_they_are(case, written):
    volume, amap, regions = case
    pixels = slice_figure(volume, amap, 2, regions=regions)
    assert pixels.dtype == np.uint8
    assert pixels.shape[2] == 3
    for words in ("Original", "Attribution map", "Overlay 50 %", RESEARCH_NOTICE, "Lesion", "R", "L", "A", "P"):
        assert words in written
    assert any("gradient" in words and "lesion" in words for words in written)


def test_first_panel_is_the_image(case):
    volume, amap, _ = case
    flat = dataclasses.replace(volume, array=np.full(volume.array.shape, 500, dtype=np.int16))
    pixels = slice_figure(flat, amap, 2, window=Window(500.5, 1001))
    assert (pixels[250, 200:400] == pixels[250, 200]).all()
    assert abs(int(pixels[250, 200, 0]) - 128) <= 1


def test_unseen_slice_has_a_grey_map_and_an_unchanged_overlay(case, written):
    volume, amap, _ = case
    pixels = slice_figure(volume, amap, 5)
    height = pixels.shape[0] // 2
    image, alone = pixels[height, 24 : 24 + 448], pixels[height, 24 + 448 + 16 :][:448]
    over = pixels[height, 24 + 2 * (448 + 16) + 76 :][:448]
    assert np.ptp(alone[20:-20]) == 0
    assert np.array_equal(image[40:-40], over[40:-40])


def test_regions_that_are_hidden_or_elsewhere_are_not_named(case, written):
    volume, amap, regions = case
    slice_figure(volume, amap, 3, regions=regions)
    hidden = RegionSet(regions.geometry, (dataclasses.replace(regions.regions[0], visible=False),))
    slice_figure(volume, amap, 2, regions=hidden)
    assert "Lesion" not in written


def test_outline_is_drawn_in_the_regions_colour(case):
    volume, amap, regions = case
    plain, outlined = slice_figure(volume, amap, 2), slice_figure(volume, amap, 2, regions=regions)
    changed = (plain != outlined).any(axis=2)
    assert changed.any()
    assert (outlined == (0, 255, 0)).all(axis=2).sum() > 100


def test_map_without_evidence_says_so(case, make_map, written):
    volume = case[0]
    for value in (0.0, np.nan):
        slice_figure(volume, make_map(np.full(volume.array.shape, value), volume.geometry), 1)
        summary_figure(volume, make_map(np.full(volume.array.shape, value), volume.geometry), (1, 2))
    assert written.count("no evidence") == 6


def test_summary_says_prediction_probability_and_true_label(case, written):
    volume, amap, regions = case
    summary_figure(
        volume, amap, (1, 2, 4), prediction=PREDICTION, label="normal", subject="case-12ab34cd", regions=regions
    )
    title = next(words for words in written if "case-12ab34cd" in words)
    assert "pneumonia" in title
    assert "0.98" in title
    assert "true label normal" in title
    for words in ("Slice 1", "Slice 2", "Slice 4", RESEARCH_NOTICE, "Lesion"):
        assert words in written


def test_summary_marks_a_target_that_was_not_predicted(case, make_map, written):
    volume, amap, _ = case
    summary_figure(volume, amap, (1,))
    assert "not the predicted class" not in written
    summary_figure(volume, dataclasses.replace(amap, target_is_predicted=False), (1,))
    assert "not the predicted class" in written


@pytest.mark.parametrize("count", [1, 3, 9])
def test_summary_grows_with_the_slices_and_stays_printable(make_map, count):
    grid = Geometry.from_spacing((10, 64, 64))
    volume = Volume(np.zeros(grid.shape, dtype=np.uint8), grid)
    pixels = summary_figure(volume, make_map(np.ones(grid.shape), grid), tuple(range(count)))
    assert 500 < pixels.shape[0] < 1300
    assert pixels.shape[1] < 2000


def test_colour_image_keeps_its_colours(make_map):
    grid = Geometry.from_spacing((1, 16, 16))
    colour = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    colour[..., 1] = 200
    volume = Volume(np.full(grid.shape, 117, dtype=np.uint8), grid, colour=colour)
    pixels = slice_figure(volume, make_map(np.zeros(grid.shape), grid), 0)
    assert pixels[300, 200].tolist() == [0, 200, 0]


def rows_of(cases, methods=("grad-cam", "lrp"), labels=("HC", "TLE"), regions=("left",)):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(cases):
        for method in methods:
            start = StatisticRow(
                subject=f"s{number}", method=method, label=labels[number % len(labels)], probability=0.9
            )
            values = {
                ("whole image", "mean_abs"): float(rng.uniform(0.1, 2)),
                ("whole image", "positive_sum"): 3.0,
                ("whole image", "negative_sum"): -1.0,
            }
            values |= {(region, "enrichment"): float(rng.uniform(0.5, 3)) for region in regions}
            rows += [
                dataclasses.replace(start, region=region, statistic=statistic, value=value)
                for (region, statistic), value in values.items()
            ]
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        rows_of(12),
        rows_of(7, methods=[f"method {n}" for n in range(12)], regions=("a", "b", "c", "d", "e")),
        rows_of(1),
        rows_of(1, labels=("",), regions=()),
        rows_of(2, methods=("grad-cam",), regions=()),
        [],
        [StatisticRow(subject="s", method="m", region="whole image", statistic="mean_abs", value=None)],
        [StatisticRow(subject="s", method="m", region="whole image", statistic="mean_abs", value=0.0)],
    ],
    ids=[
        "cohort",
        "many methods",
        "one case",
        "one case without label and region",
        "two cases",
        "none",
        "undefined",
        "zero",
    ],
)
def test_statistics_figure_handles_any_number_of_cases_without_a_warning(rows):
    pixels = statistics_figure(rows)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert (pixels[:5] == 255).all()
    assert (pixels != 255).any()


def test_statistics_figure_leaves_pyplot_and_its_state_alone():
    import sys

    import matplotlib

    before, had_pyplot = matplotlib.get_backend(auto_select=False), "matplotlib.pyplot" in sys.modules
    statistics_figure(rows_of(3))
    assert matplotlib.get_backend(auto_select=False) == before
    assert ("matplotlib.pyplot" in sys.modules) == had_pyplot


def test_same_rows_give_the_same_pixels():
    assert np.array_equal(statistics_figure(rows_of(6)), statistics_figure(rows_of(6)))
