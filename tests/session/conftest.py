from __future__ import annotations

import math

import numpy as np
import pytest

from saliency_viewer.domain import (
    AnalysisPlan,
    AttributionMap,
    ImageReference,
    MethodRequest,
    Prediction,
    Provenance,
    Region,
    RegionSet,
    Validity,
)
from saliency_viewer.session import Document
from saliency_viewer.spatial import Geometry


@pytest.fixture
def document() -> Document:
    geometry = Geometry.from_spacing((3, 17, 23), (2.5, 0.5, 0.7), "patient", oriented=True)
    rng = np.random.default_rng(3)
    values = rng.normal(size=geometry.shape).astype(np.float32)
    values[0, :4] = np.nan
    mask = rng.random(geometry.shape) > 0.6
    regions = RegionSet(
        geometry,
        (
            Region.from_mask("left lung", "#56B4E9", mask),
            Region.from_mask("empty", "#E69F00", np.zeros_like(mask)),
            Region("locked", "#009E73", (1, 2, 3), np.ones((1, 2, 2), dtype=bool), locked=True, visible=False),
        ),
    )
    plan = AnalysisPlan(
        ImageReference("study/here", "2"),
        "models/net",
        (MethodRequest("integrated-gradients", {"steps": 20}),),
        target="sick",
        slices=(1, 2),
        seed=7,
    )
    amap = AttributionMap(
        array=values,
        geometry=geometry,
        method="integrated-gradients",
        target="sick",
        validity=Validity("approximate", "residual 6 %", 12, 12),
        provenance=Provenance("integrated-gradients", {"steps": 20}, "sick", 7, notes=("halved",)),
        probability=0.1 + 0.2,
        logit=-math.inf,
        residual=1 / 3,
        slices=(1, 2),
    )
    prediction = Prediction(
        ("well", "sick"), np.array([0.1, -math.inf]), np.array([1 / 3, 2 / 3]), 1, "max", 2, rng.normal(size=(3, 2))
    )
    return Document(
        image=plan.image,
        image_hash="ab" * 32,
        model="models/net",
        model_hash="cd" * 32,
        plan=plan,
        regions=regions,
        maps=(amap,),
        prediction=prediction,
        key_slices=(1, 2),
        view={"window": [40.0, 400.0], "slice": 1, "nested": {"opacity": 0.5}},
    )
