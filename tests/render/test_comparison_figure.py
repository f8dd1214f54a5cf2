from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from saliency_viewer.domain import Comparison, Contender
from saliency_viewer.errors import UserError
from saliency_viewer.render import comparison_figure, contour_polygons, map_colours, shared_styles
from saliency_viewer.render.comparison_figure import caption, name_lines


def _highest(maps, scale: str) -> dict[tuple[str, str], float]:
    return {key: style.high for key, style in shared_styles(maps, scale).items()}


def test_scales_are_shared_as_asked(make_map) -> None:
    maps = {
        ("a", "gradient"): make_map([[[0.0, 1.0]]]),
        ("b", "gradient"): make_map([[[0.0, -4.0]]]),
        ("a", "occlusion"): make_map([[[0.0, 100.0]]]),
    }
    assert list(_highest(maps, "own").values()) == [1.0, 4.0, 100.0]
    assert list(_highest(maps, "method").values()) == [4.0, 4.0, 100.0]


def test_over_methods_a_colour_means_a_share_of_each_maps_own_largest_value(make_map) -> None:
    """Raw values of two methods have different units: halves of both peaks must look alike."""
    values = np.array([[[0.0, 1.0, -2.0, 4.0]]], dtype=np.float32)
    maps = {("a", "gradient"): make_map(values), ("a", "occlusion"): make_map(1000.0 * values)}
    weak, strong = (shared_styles(maps, "all")[key] for key in maps)
    np.testing.assert_array_equal(map_colours(values[0], weak), map_colours(1000.0 * values[0], strong))
    assert weak.end_words(str) == strong.end_words(str) == ("−100 %", "100 %")
    assert shared_styles(maps, "method")["a", "occlusion"].end_words(str) == ("-4000.0", "4000.0")


def test_one_sided_maps_get_the_colours_of_the_signed_ones_beside_them(make_map) -> None:
    cam = replace(make_map([[[-1.0, 3.0]]]), one_sided=True)
    alone = shared_styles({("a", "grad-cam"): cam}, "all")["a", "grad-cam"]
    assert alone.end_words(str) == ("0 %", "100 %")
    beside = shared_styles({("a", "grad-cam"): cam, ("a", "gradient"): make_map([[[1.0, -9.0]]])}, "all")
    assert len({style.colours for style in beside.values()}) == 1
    assert beside["a", "grad-cam"].end_words(str) == ("−100 %", "100 %")


def test_the_caption_says_which_slice_and_what_colours_share() -> None:
    first, second = caption(7, 40, "all", (0.5, 0.8), "where it is strongest")
    assert first == "Slice 7, counted from 0 to 39, where it is strongest"
    assert second.startswith("Colours are shares of each map's own largest value")
    assert second.endswith("contours at 50 %, 80 % of each map's highest value")
    assert caption(0, 1, "method", ()) == ("One colour scale for each method, in its units",)


def test_contours_hold_what_reaches_the_level_of_the_maps_own_peak(make_map) -> None:
    values = np.array([[0.0, 2.0, 4.0], [np.nan, 1.9, 0.0]], dtype=np.float32)
    (polygon,) = contour_polygons(values, make_map(values[None]), 0.5)
    # the two pixels (0, 1) and (0, 2)
    assert (polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()) == ([-0.5, 0.5], [0.5, 2.5])
    assert contour_polygons(-values, make_map(-np.abs(values)[None]), 0.5) == []


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(UserError, match="No model gave a map"):
        comparison_figure(Comparison((Contender("a", "", failure="broken"),), ()), 0)


def test_names_that_differ_late_are_told_apart() -> None:
    stem = "Hippocampal sclerosis DenseNet,"
    first, second = (name_lines(f"{stem} {number} training") for number in ("first", "second"))
    assert " ".join(first) == f"{stem} first training"
    assert first != second
    assert len(name_lines("word " * 40)) == 3
    assert name_lines("word " * 40)[-1].endswith("…")
