"""What a phantom is: an image with everything that is true about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import RegionSet, Volume
from saliency_viewer.domain.regions import Region
from saliency_viewer.spatial import Geometry

Wish = Literal["left", "right", "random"] | None


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic image with known truth.

    Attributes
    ----------
    volume:
        The image.
    regions:
        Organs and, where there is one, the lesion, on the image's grid.
    label:
        The class that is true: "normal" or "opacity", "HC" or "TLE".
    side:
        The patient's side of the finding, "left" or "right"; None when there is none.
    seed:
        What it was made from; the same seed and wish give the same bytes.
    """

    volume: Volume
    regions: RegionSet
    label: str
    side: str | None
    seed: int


def chosen_side(wish: Wish, rng: np.random.Generator) -> str | None:
    """The side meant by ``wish``; "random" draws one."""
    drawn = ("left", "right")[int(rng.integers(2))]
    return drawn if wish == "random" else wish


def region_set(geometry: Geometry, masks: Mapping[str, NDArray[np.bool_]]) -> RegionSet:
    """Named regions, in order, in the palette's colours; masks are (slice, row, column)."""
    regions = RegionSet(geometry)
    for name, mask in masks.items():
        regions = regions.with_region(Region.from_mask(name, regions.next_colour(), mask))
    return regions
