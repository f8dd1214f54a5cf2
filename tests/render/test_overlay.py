from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from saliency_viewer.render import MapStyle, colour_table, map_colours, map_levels, overlay, overlay_rgba, style_for

SIGNED = MapStyle("RdBu_r", -2.0, 2.0)


def slow_overlay(picture, values, style):
    """Pixel by pixel: the colour of the value by linear interpolation of the table, mixed with the image."""
    table = colour_table(style.colours).astype(float)
    out = np.zeros((*values.shape, 3))
    for place, value in np.ndenumerate(values):
        image = np.broadcast_to(picture[place], 3).astype(float)
        shown = np.clip(value, style.low, style.high)
        if np.isnan(value) or abs(shown) < style.threshold * max(abs(style.low), abs(style.high)):
            out[place] = image
            continue
        position = (shown - style.low) / (style.high - style.low) * 255
        colour = [np.interp(position, np.arange(256), table[:, k]) for k in range(3)]
        out[place] = (1 - style.fade) * image + style.fade * np.array(colour)
    return out


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 9999),
    st.sampled_from([("inferno", 0.0, 1.7), ("RdBu_r", -1.7, 1.7), ("viridis", 3.0, 4.0)]),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([0.0, 0.3, 0.8]),
    st.booleans(),
)
def test_overlay_equals_the_mix_pixel_by_pixel(seed, scale, fade, threshold, coloured):
    rng = np.random.default_rng(seed)
    values = (rng.normal(size=(7, 9)) * 2).astype(np.float32)
    values[rng.random((7, 9)) < 0.2] = np.nan
    picture = rng.integers(0, 256, (7, 9, 3) if coloured else (7, 9)).astype(np.uint8)
    style = MapStyle(*scale, fade, threshold)
    # Half a level of 255 is at most 2.5 steps of the steepest colour map; the rest is rounding.
    assert np.abs(overlay(picture, values, style) - slow_overlay(picture, values, style)).max() <= 0.5 + 2.5 * fade


@pytest.mark.parametrize("name", ["inferno", "RdBu_r", "viridis"])
def test_half_fade_is_the_mean_of_image_and_map(name):
    rng = np.random.default_rng(0)
    values, picture = rng.uniform(-2, 2, (50, 60)), rng.integers(0, 256, (50, 60)).astype(np.uint8)
    full = overlay(picture, values, MapStyle(name, -2.0, 2.0, 1.0)).astype(float)
    half = overlay(picture, values, MapStyle(name, -2.0, 2.0, 0.5))
    assert np.abs(half - (full + picture[..., None]) / 2).max() <= 0.75  # each of the two is rounded once


def test_no_fade_is_the_image_and_full_fade_the_map():
    rng = np.random.default_rng(1)
    values, picture = rng.uniform(-2, 2, (20, 30)), rng.integers(0, 256, (20, 30)).astype(np.uint8)
    assert np.array_equal(overlay(picture, values, MapStyle("RdBu_r", -2, 2, 0.0)), np.repeat(picture[..., None], 3, 2))
    full = MapStyle("RdBu_r", -2, 2, 1.0)
    assert np.abs(overlay(picture, values, full).astype(int) - map_colours(values, full)[..., :3]).max() <= 1


def test_unseen_voxels_show_the_image_only():
    picture = np.full((2, 2), 77, dtype=np.uint8)
    out = overlay(picture, np.array([[np.nan, 2.0], [np.nan, -2.0]]), SIGNED)
    assert (out[:, 0] == 77).all()
    assert (out[:, 1] != 77).any()
    assert map_colours(np.array([[np.nan, 2.0]]), SIGNED)[0, :, 3].tolist() == [0, 128]


def test_threshold_is_two_sided_and_relative_to_the_scale():
    values = np.array([[-2.0, -1.0, -0.9, 0.0, 0.9, 1.0, 2.0]])
    shown = map_colours(values, MapStyle("RdBu_r", -2.0, 2.0, 1.0, 0.5))[0, :, 3] > 0
    assert shown.tolist() == [True, True, False, False, False, True, True]


def test_negative_values_of_a_one_sided_map_do_not_pass_the_threshold():
    shown = map_colours(np.array([[-9.0, 0.1, 0.9]]), MapStyle("inferno", 0.0, 1.0, 1.0, 0.5))[0, :, 3] > 0
    assert shown.tolist() == [False, False, True]


def test_displayed_levels_keep_the_order_of_the_raw_values_and_the_top_is_the_highest(make_map):
    values = np.random.default_rng(2).normal(size=(1, 40, 50)).astype(np.float32)
    for one_sided in (False, True):
        style = style_for(make_map(values, one_sided=one_sided))
        levels = map_levels(values[0], style).astype(int)
        order = np.argsort(values[0], axis=None)
        assert (np.diff(levels.ravel()[order]) >= 0).all()
        assert levels.ravel()[order[-1]] == 254 or not one_sided
        assert style.high == pytest.approx(values.max() if one_sided else np.abs(values).max())
    assert spearmanr(levels[values[0] > 0], values[0][values[0] > 0]).statistic > 0.999


def test_zero_of_a_signed_map_is_the_middle_and_without_hue():
    red, green, blue, _ = map_colours(np.zeros((1, 1)), SIGNED)[0, 0].astype(int)
    assert max(red, green, blue) - min(red, green, blue) <= 1
    assert min(red, green, blue) > 240


def test_opposite_values_lie_at_mirrored_levels():
    values = np.linspace(-2, 2, 101)[None]
    levels = map_levels(values, SIGNED).astype(int)
    assert np.abs(levels[0] + levels[0][::-1] - 254).max() <= 1


def test_picture_for_the_screen_is_the_exported_one():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(30, 20))
    for picture in (rng.integers(0, 256, (30, 20)), rng.integers(0, 256, (30, 20, 3))):
        screen = overlay_rgba(picture.astype(np.uint8), values, SIGNED)
        assert np.array_equal(screen[..., :3], overlay(picture.astype(np.uint8), values, SIGNED))
        assert (screen[..., 3] == 255).all()


def test_inputs_stay_as_they_were():
    values, picture = np.array([[np.nan, -3.0, 1.0]], dtype=np.float32), np.array([[1, 2, 3]], dtype=np.uint8)
    kept = values.copy(), picture.copy()
    overlay(picture, values, SIGNED)
    assert np.array_equal(values, kept[0], equal_nan=True)
    assert np.array_equal(picture, kept[1])


def test_scale_far_from_zero_keeps_its_steps():
    values = np.linspace(1e6, 1e6 + 100, 101, dtype=np.float32)[None]
    assert len(np.unique(map_levels(values, MapStyle("viridis", 1e6, 1e6 + 100)))) == 101


def test_a_scale_of_next_to_nothing_is_drawn_without_overflow() -> None:
    values = np.array([[0.0, 5e-41, 1e-40]], dtype=np.float64)
    levels = map_levels(values, MapStyle("inferno", 0.0, 1e-40))
    assert levels[0, 0] == 0
    assert levels[0, 2] == 254
