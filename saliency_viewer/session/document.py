"""Everything the user would not like to lose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saliency_viewer.domain import AnalysisPlan, AttributionMap, ImageReference, Prediction, RegionSet


@dataclass(frozen=True, eq=False)
class Document:
    """What a session file holds. Pixels of the image are not in it: they are read again from ``image``.

    Parameters
    ----------
    image:
        Path and series; None before anything was opened.
    image_hash:
        ``pipeline.image_hash`` of the volume, by which a changed or exchanged file is noticed on reopening.
    model:
        Path of the model package, empty for none.
    view:
        JSON-ready view settings of the window's own choice (window level, slices, opacity, layout).
    key_slices:
        The slices that exports show.
    """

    image: ImageReference | None = None
    image_hash: str = ""
    model: str = field(default="", repr=False)
    model_hash: str = ""
    plan: AnalysisPlan | None = None
    regions: RegionSet | None = None
    maps: tuple[AttributionMap, ...] = ()
    prediction: Prediction | None = None
    key_slices: tuple[int, ...] = ()
    view: Mapping[str, Any] = field(default_factory=dict)
