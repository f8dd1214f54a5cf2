import numpy as np
import pytest

from saliency_viewer.phantoms import brain_phantom
from saliency_viewer.spatial import axis_codes


def volumes(phantom):
    voxel = phantom.volume.geometry.voxel_volume / 1000
    return {side: phantom.regions.get(f"{side} hippocampus").voxels * voxel for side in ("left", "right")}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_patient():
    first, again, other = (brain_phantom(seed, "left").volume.array for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(float) - other).mean() > 20


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("side", ["left", "right"])
def test_atrophy_shrinks_the_hippocampus_of_its_side_only(seed, side):
    ill, well = brain_phantom(seed, side), brain_phantom(seed, None)
    other = "right" if side == "left" else "left"
    assert volumes(ill)[side] < 0.65 * volumes(well)[side]
    np.testing.assert_array_equal(ill.regions.mask(f"{other} hippocampus"), well.regions.mask(f"{other} hippocampus"))
    lost = (well.regions.mask(f"{side} hippocampus") > 0) & (ill.regions.mask(f"{side} hippocampus") == 0)
    assert ill.volume.array[lost].mean() < 0.8 * well.volume.array[lost].mean()  # fluid is dark
    assert (ill.label, ill.side, well.label, well.side) == ("TLE", side, "HC", None)


def test_healthy_hippocampi_have_the_size_of_real_ones():
    for seed in range(3):
        for volume in volumes(brain_phantom(seed, None)).values():
            assert 2.5 < volume < 5.0  # ml, adults


def test_sides_of_the_patient_are_where_the_geometry_says():
    phantom = brain_phantom(2, None)
    assert axis_codes(phantom.volume.geometry) == ("S", "P", "L")
    for name, sign in (("right hippocampus", -1), ("left hippocampus", 1)):
        centre = np.argwhere(phantom.regions.mask(name)).mean(axis=0)
        assert np.sign(phantom.volume.geometry.to_patient(centre)[0]) == sign
        inside = phantom.regions.mask(name) > 0
        assert phantom.regions.mask("brain")[inside].mean() > 0.95


def test_white_matter_is_brighter_than_grey_and_grey_than_fluid():
    phantom = brain_phantom(2, None)
    brain = phantom.volume.array[phantom.regions.mask("brain") > 0]
    grey = phantom.volume.array[phantom.regions.mask("left hippocampus") > 0].mean()
    assert np.percentile(brain, 2) < 0.6 * grey
    assert np.percentile(brain, 75) > 1.2 * grey
