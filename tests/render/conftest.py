from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.domain import AttributionMap, Provenance, Validity
from saliency_viewer.spatial import Geometry


@pytest.fixture
def make_map():
    def make(array, geometry=None, **fields):
        values = np.asarray(array, dtype=np.float32)
        grid = geometry or Geometry.from_spacing(values.shape)
        provenance = Provenance("gradient", {}, "lesion", 0)
        return AttributionMap(values, grid, "gradient", "lesion", Validity("verified"), provenance, **fields)

    return make
