from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saliency_viewer.domain import (
    STATISTIC_COLUMNS,
    AttributionMap,
    Identity,
    InputSpec,
    ModelCard,
    OutputSpec,
    Prediction,
    Provenance,
    Series,
    Study,
    Validity,
    Volume,
    Window,
)
from saliency_viewer.errors import UserError
from saliency_viewer.spatial import Geometry


def volume_of(array, **fields):
    return Volume(array, Geometry.from_spacing(array.shape), **fields)


def map_of(array):
    return AttributionMap(
        np.asarray(array, dtype=np.float32),
        Geometry.from_spacing(np.shape(array)),
        "m",
        "t",
        Validity("verified"),
        Provenance("m", {}, "t", 0),
    )


def test_arrays_must_fit_their_grid():
    with pytest.raises(ValueError, match="does not fit"):
        Volume(np.zeros((1, 2, 3)), Geometry.from_spacing((1, 3, 2)))
    with pytest.raises(ValueError, match="does not fit"):
        AttributionMap(
            np.zeros((1, 2, 3), np.float32),
            Geometry.from_spacing((1, 3, 2)),
            "m",
            "t",
            Validity("verified"),
            Provenance("m", {}, "t", 0),
        )


@pytest.mark.parametrize(
    ("array", "empty"),
    [([[[0.0, 0.0]]], True), ([[[np.nan, 0.0]]], True), ([[[np.nan, np.inf]]], True), ([[[np.nan, -1e-30]]], False)],
)
def test_empty_map_is_one_without_evidence(array, empty):
    assert map_of(array).is_empty() == empty


def test_files_window_wins_over_percentiles():
    array = np.arange(1000.0).reshape(10, 10, 10)
    assert volume_of(array, window=Window(40, 400)).default_window() == Window(40, 400)
    found = volume_of(array).default_window()
    low, high = np.percentile(array, [0.5, 99.5])
    assert found.centre - found.width / 2 == pytest.approx(low)
    assert found.centre + found.width / 2 == pytest.approx(high)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_window_of_an_image_without_contrast_has_a_width(value):
    assert volume_of(np.full((2, 3, 4), value)).default_window().width > 0


def test_large_volume_has_nearly_its_exact_window():
    array = np.random.default_rng(0).normal(size=(20, 300, 300)).astype(np.float32)
    low, high = np.percentile(array, [0.5, 99.5])
    found = volume_of(array).default_window()
    assert found.width == pytest.approx(high - low, rel=0.02)


def test_prediction_names_its_class():
    prediction = Prediction(("no", "yes"), np.array([0.1, 2.0]), np.array([0.13, 0.87]), 1)
    assert (prediction.label, prediction.probability) == ("yes", 0.87)


def test_model_card_warns_of_a_study_it_was_not_made_for():
    card = ModelCard(
        "n", "1", "builtin:x", "w", OutputSpec(("a", "b")), InputSpec(), modality=("DX", "CR"), view=("PA",)
    )
    assert card.mismatch("dx", "CHEST", "PA") == ""
    assert card.mismatch("", "", "") == ""
    assert "CT" in card.mismatch("CT")
    assert "view" in card.mismatch("DX", view="LATERAL")


def series(uid, number, slices):
    return Series(
        uid, number, "CT", "", 10, 10, slices, None, "axial", "", lambda context: volume_of(np.zeros((1, 2, 2)))
    )


def test_largest_series_is_chosen_unless_one_is_named():
    study = Study("p", (series("1.2", 3, 5), series("1.3", 7, 50)))
    assert study.choose().uid == "1.3"
    assert study.choose("1.2").uid == study.choose(3).uid == study.choose("3").uid == "1.2"
    with pytest.raises(UserError) as caught:
        study.choose("9")
    assert "3, 7" in caught.value.hint
    assert study.series[0].load().array.shape == (1, 2, 2)


def test_nothing_that_prints_a_study_prints_its_patient_or_path():
    study = Study("/data/Doe^Jane", (), identity=Identity("Doe^Jane", "4711", "19700101", "20200101"))
    assert "Doe" not in repr(study)
    assert "4711" not in repr(study)
    assert "4711" not in repr(study.identity)


def test_columns_of_the_table_are_those_that_scripts_rely_on():
    assert STATISTIC_COLUMNS == (
        "subject", "patient", "session", "label", "group", "predicted", "probability", "model", "method", "target",
        "region", "statistic", "value", "unit", "reference", "p_value", "note",
    )  # fmt: skip


def test_the_extent_and_the_peak_pass_over_what_is_not_finite() -> None:
    values = np.full((2, 3, 4), np.nan, np.float32)
    values[0, 1, 2], values[1, 0, 3], values[1, 2, 0], values[1, 2, 1] = -5.0, 2.0, 2.0, np.inf
    amap = map_of(values)
    assert amap.extent == (-5.0, 2.0)
    assert amap.peak == (1, 0, 3)
    assert map_of(np.zeros((1, 2, 2), np.float32)).peak is None


@pytest.mark.parametrize(
    ("slices", "through_space", "expected"), [(5, True, True), (5, False, False), (1, True, False)]
)
def test_frames_that_only_follow_each_other_are_no_stack(slices, through_space, expected):
    geometry = replace(Geometry.from_spacing((slices, 3, 4)), through_space=through_space)
    assert Volume(np.zeros((slices, 3, 4)), geometry).is_stack == expected


def test_the_automatic_window_is_there_beside_the_files_own():
    array = np.arange(1000.0).reshape(1, 20, 50)
    volume = volume_of(array, window=Window(1, 2))
    assert volume.default_window() == Window(1, 2)
    assert volume.auto_window == volume_of(array).default_window()
