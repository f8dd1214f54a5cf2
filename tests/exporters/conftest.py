from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.domain import (
    AnalysisResult,
    AttributionMap,
    ExplainSpec,
    InputSpec,
    ModelCard,
    OutputSpec,
    Prediction,
    Provenance,
    Region,
    RegionSet,
    Validity,
    Volume,
)
from saliency_viewer.spatial import Geometry


def oblique_geometry(shape: tuple[int, int, int] = (4, 12, 10)) -> Geometry:
    """Anisotropic, rotated about two axes, away from the origin."""
    a, b = np.deg2rad(20.0), np.deg2rad(-35.0)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    axes = (about_z @ about_x)[:, [2, 1, 0]]  # columns: unit vectors along slice, row, column
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array([3.0, 0.8, 1.1])
    affine[:3, 3] = (-31.5, 12.25, 140.0)
    return Geometry(shape, affine)


@pytest.fixture
def result() -> AnalysisResult:
    geometry = oblique_geometry()
    rng = np.random.default_rng(5)
    values = rng.normal(size=geometry.shape).astype(np.float32)
    values[0] = np.nan
    amap = AttributionMap(
        array=values,
        geometry=geometry,
        method="grad-cam",
        target="sick",
        validity=Validity("verified", "all activations seen"),
        provenance=Provenance("grad-cam", {}, "sick", 0),
        one_sided=True,
    )
    volume = Volume(rng.integers(0, 1000, geometry.shape).astype(np.int16), geometry, "MR")
    card = ModelCard("Net", "1", "builtin:x", "w", OutputSpec(("well", "sick")), InputSpec(), ExplainSpec())
    prediction = Prediction(("well", "sick"), np.array([-1.0, 1.0]), np.array([0.12, 0.88]), 1)
    return AnalysisResult(volume, prediction, (amap,), card, "m" * 64, "i" * 64, slices=(1, 3))


@pytest.fixture
def regions(result: AnalysisResult) -> RegionSet:
    mask = np.zeros(result.volume.geometry.shape, dtype=bool)
    mask[1:3, 2:6, 3:8] = True
    other = np.zeros_like(mask)
    other[3, 8:, :2] = True
    return RegionSet(
        result.volume.geometry,
        (Region.from_mask("left", "#56B4E9", mask), Region.from_mask("right", "#E69F00", other)),
    )
