"""One bright voxel of an oblique anisotropic volume, through every spatial step and back."""

from __future__ import annotations

import numpy as np
import pytest

from saliency_viewer.domain import InputSpec
from saliency_viewer.models.prepared import Preparation, project_map

SHAPE = (18, 40, 26)
SINGLE = {
    "spacing": {"step": "spacing", "to": [2.0, 1.5, 1.5]},
    "spacing from the first centre": {"step": "spacing", "to": [2.0, 1.5, 1.5], "keep": "centres"},
    "stretch": {"step": "resize", "to": [24, 32, 30]},
    "shorter side": {"step": "resize", "shorter": 24},
    "within": {"step": "resize", "within": [24, 36, 36]},
    "cover": {"step": "resize", "cover": [16, 36, 20]},
    "area": {"step": "resize", "to": [12, 20, 20], "interpolation": "area"},
    "cubic": {"step": "resize", "to": [20, 30, 30], "interpolation": "cubic"},
    "nearest": {"step": "resize", "to": [60, 60, 60], "interpolation": "nearest"},
    "crop": {"step": "crop", "size": [13, 31, 21]},
    "borders cut": {"step": "crop", "by": [[2, 1], 3, [0, 5]]},
    "pad": {"step": "pad", "size": [25, 47, 33]},
    "borders added": {"step": "pad", "by": [[0, 3], [4, 1], 2]},
    "multiple": {"step": "pad", "multiple": 16},
    "foreground": {"step": "foreground", "above": 0.5, "margin": 6},
}
CHAINS = {
    "spacing, foreground, letterbox": [
        SINGLE["spacing"], SINGLE["foreground"], SINGLE["within"], {"step": "pad", "size": [24, 36, 36]},
    ],
    "cut, shorter side, crop": [SINGLE["borders cut"], SINGLE["shorter side"], {"step": "crop", "size": [20, 34, 22]}],
    "pad, stretch": [SINGLE["pad"], SINGLE["stretch"]],
    "area, pad, crop": [SINGLE["area"], {"step": "pad", "size": [16, 16, 32]}, {"step": "crop", "size": [10, 16, 16]}],
}  # fmt: skip


@pytest.mark.parametrize("code", ["", "RAS", "AIL"])
@pytest.mark.parametrize("order", [(2, 1, 0), (0, 2, 1), (1, 0, 2)])
@pytest.mark.parametrize(
    "steps", [*([step] for step in SINGLE.values()), *CHAINS.values()], ids=[*SINGLE.keys(), *CHAINS.keys()]
)
def test_one_bright_voxel_comes_back_within_a_voxel_in_millimetres(make, steps, order, code):
    place = (9, 22, 13)
    geometry = make.oblique(SHAPE, (3.0, 1.2, 1.7), order)
    array = np.zeros(SHAPE, dtype=np.float32)
    array[place] = 100.0
    spec = InputSpec(layout="3d", fit="none", orientation=code, spatial=tuple(steps))
    prepared = Preparation(spec, make.volume(array, geometry)).of(())
    back = project_map(prepared.inputs.numpy(), prepared)
    weights = np.nan_to_num(back).clip(0)
    centre = [(weights * axis).sum() / weights.sum() for axis in np.indices(SHAPE)]
    off = np.linalg.norm(geometry.to_patient(centre) - geometry.to_patient(place))
    coarse = [max(1.0, axis.step) for axis in prepared.chain.axes]
    cells = [geometry.spacing[axis] * step for axis, step in zip(prepared.chain.turn.order, coarse, strict=True)]
    assert off < max(cells)
    peak = np.unravel_index(np.nanargmax(back), SHAPE)
    assert np.linalg.norm(geometry.to_patient(peak) - geometry.to_patient(place)) <= np.linalg.norm(cells)
