"""Where the evidence lies: each map's positive part, shared out among lungs, marks, border and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import saliency_viewer as sv
from benchmarks.views.pictures import VIEWS, Picture
from saliency_viewer.domain import OUTSIDE_REGIONS, AttributionMap
from saliency_viewer.pipeline import Model

METHODS = ("grad-cam", "integrated-gradients", "lrp-epsilon-plus")
PLACES = ("lungs", "marks", "border", "elsewhere")


@dataclass(frozen=True)
class Share:
    """Of one map: the share of the positive evidence in a place, beside the place's share of the picture."""

    file: str
    patient: str
    network: str  # trained or untrained
    seed: int
    method: str
    place: str
    mass: float
    area: float


def explained(model: Model, picture: Picture, method: str) -> AttributionMap:
    """The map for the true view; positive is evidence for it."""
    return model.explain(picture.volume, method, target=VIEWS[picture.view], threads=2)


def shares(model: Model, picture: Picture, network: str, seed: int) -> Iterator[Share]:
    """Every method's shares; a place that a picture does not have is left out."""
    for method in METHODS:
        for row in sv.region_statistics(explained(model, picture, method), picture.regions):
            if row.statistic != "mass_fraction" or row.value is None:
                continue
            place = "elsewhere" if row.region == OUTSIDE_REGIONS else row.region
            area = float(row.reference) if row.reference is not None else float("nan")
            yield Share(picture.file, picture.patient, network, seed, method, place, row.value, area)


def of(found: Sequence[Share], **wanted: object) -> list[Share]:
    """Those with these fields."""
    return [one for one in found if all(getattr(one, name) == value for name, value in wanted.items())]
