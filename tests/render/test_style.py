from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.render import MapStyle, overlay, style_for


def test_signed_map_is_symmetric_and_one_sided_map_starts_at_zero(make_map):
    array = np.array([[[-3.0, 1.0, np.nan]]])
    signed, one_sided = style_for(make_map(array)), style_for(make_map(array, one_sided=True))
    assert (signed.colours, signed.low, signed.high) == ("RdBu_r", -3.0, 3.0)
    assert (one_sided.colours, one_sided.low, one_sided.high) == ("inferno", 0.0, 1.0)


def test_one_sided_map_can_be_looked_at_signed(make_map):
    style = style_for(make_map([[[-3.0, 1.0]]], one_sided=True), signed=True)
    assert (style.colours, style.low, style.high) == ("RdBu_r", -3.0, 3.0)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("one_sided", [False, True])
def test_map_without_evidence_shows_the_image_alone_without_a_warning(make_map, value, one_sided):
    array = np.full((1, 3, 4), value)
    style = style_for(make_map(array, one_sided=one_sided))
    assert style.is_empty
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(overlay(picture, array[0], style), np.repeat(picture[..., None], 3, 2))


def test_all_negative_one_sided_map_is_empty_but_not_its_signed_view(make_map):
    amap = make_map(-np.ones((1, 2, 2)), one_sided=True)
    assert style_for(amap).is_empty
    assert not style_for(amap, signed=True).is_empty


def test_constant_map_is_shown_at_the_end_of_its_scale(make_map):
    style = style_for(make_map(np.full((1, 2, 2), 5.0)))
    assert (style.low, style.high) == (-5.0, 5.0)


def test_infinite_values_do_not_stretch_the_scale(make_map):
    assert style_for(make_map([[[np.inf, 2.0, -1.0, np.nan]]])).high == 2.0


def test_several_maps_share_one_scale(make_map):
    weak, strong = make_map([[[0.1, -0.2]]]), make_map([[[4.0, -1.0]]])
    shared = style_for((weak, strong))
    assert (shared.low, shared.high) == (-4.0, 4.0)
    assert style_for(weak).high == pytest.approx(0.2)
    both = style_for((make_map([[[0.5]]], one_sided=True), make_map([[[2.0]]], one_sided=True)))
    assert (both.colours, both.high) == ("inferno", 2.0)


def test_no_maps_at_all_is_an_empty_style():
    assert style_for(()).is_empty


@pytest.mark.parametrize(("fade", "threshold"), [(-0.1, 0.0), (1.1, 0.0), (0.5, -0.1), (0.5, 1.5), (np.nan, 0.0)])
def test_fade_and_threshold_are_parts_of_one(fade, threshold):
    with pytest.raises(ValueError, match=r"0\.\.1"):
        MapStyle("inferno", 0.0, 1.0, fade, threshold)
