"""Which maps of a comparison share a colour scale, and what that scale counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from saliency_viewer.domain import AttributionMap
from saliency_viewer.render.style import MapStyle, relative_style, style_for

Scale = Literal["own", "method", "all"]
SCALE_WORDS: Mapping[Scale, str] = {
    "own": "each map on its own colour scale",
    "method": "one colour scale for each method, in its units",
    "all": "colours are shares of each map's own largest value",
}
Key = tuple[str, str]  # a model's name and a method


def shared_styles(
    maps: Mapping[Key, AttributionMap], scale: Scale, fade: float = 0.5, threshold: float = 0.0
) -> dict[Key, MapStyle]:
    """The colour scale of every map.

    ``own`` goes from each map's own smallest to its own largest value, ``method`` is one scale of raw values for all
    models' maps by one method. Methods have units of their own, so raw values of two of them never share a scale:
    with ``all`` every map is divided by its own largest size, and one colour means one share of it everywhere.
    """
    if scale == "own":
        return {key: style_for(amap, fade, threshold) for key, amap in maps.items()}
    if scale == "all":
        signed = not all(amap.one_sided for amap in maps.values())
        return {key: relative_style(amap, signed, fade, threshold) for key, amap in maps.items()}
    methods = dict.fromkeys(method for _, method in maps)
    shared = {
        method: style_for([amap for (_, other), amap in maps.items() if other == method], fade, threshold)
        for method in methods
    }
    return {key: shared[key[1]] for key in maps}
