from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.domain import Comparison, Contender
from saliency_viewer.errors import UserError
from saliency_viewer.render import comparison_figure, comparison_styles, contour_polygons


def test_scales_are_shared_as_asked(make_map) -> None:
    class Result:
        def __init__(self, *maps) -> None:
            self.maps = maps

    weak, strong = make_map([[[0.0, 1.0]]]), make_map([[[0.0, -4.0]]])
    comparison = Comparison(
        (Contender("a", "", Result(weak)), Contender("b", "", Result(strong)), Contender("c", "", failure="no")),
        ("gradient",),
    )
    highest = lambda scale: {key[0]: style.high for key, style in comparison_styles(comparison, scale).items()}  # noqa: E731
    assert highest("own") == {"a": 1.0, "b": 4.0}
    assert highest("method") == highest("all") == {"a": 4.0, "b": 4.0}


def test_contours_hold_what_reaches_the_level_of_the_maps_own_peak(make_map) -> None:
    values = np.array([[0.0, 2.0, 4.0], [np.nan, 1.9, 0.0]], dtype=np.float32)
    (polygon,) = contour_polygons(values, make_map(values[None]), 0.5)
    # the two pixels (0, 1) and (0, 2)
    assert (polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()) == ([-0.5, 0.5], [0.5, 2.5])
    assert contour_polygons(-values, make_map(-np.abs(values)[None]), 0.5) == []


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(UserError, match="No model gave a map"):
        comparison_figure(Comparison((Contender("a", "", failure="broken"),), ()), 0)
