import numpy as np
import pytest

from saliency_viewer.phantoms import chest_phantom
from saliency_viewer.spatial import axis_codes

PIXELS = 200


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_patient():
    first, again, other = (chest_phantom(seed, "left", PIXELS).volume.array for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(float) - other).mean() > 20


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_lesion_lies_in_the_named_lung_only(seed, side):
    phantom = chest_phantom(seed, side, PIXELS)
    lesion = phantom.regions.mask("lesion") > 0
    assert lesion.sum() > 40
    assert not np.any(lesion & (phantom.regions.mask(f"{side} lung") == 0))
    assert phantom.side == side
    assert phantom.label == "opacity"


@pytest.mark.parametrize("seed", range(6))
def test_the_lesion_changes_the_image_in_its_lung_and_brightens_it(seed):
    ill, well = chest_phantom(seed, "right", PIXELS), chest_phantom(seed, None, PIXELS)
    change = ill.volume.array.astype(float) - well.volume.array
    lesion = ill.regions.mask("lesion") > 0
    assert change[lesion].mean() > 60
    assert np.abs(change[ill.regions.mask("left lung") > 0]).mean() < 0.1 * change[lesion].mean()


def test_a_normal_chest_has_no_lesion():
    phantom = chest_phantom(3, None, PIXELS)
    assert (phantom.label, phantom.side, phantom.regions.names) == ("normal", None, ("right lung", "left lung"))


def test_columns_grow_to_the_patients_left_and_rows_to_the_feet():
    phantom = chest_phantom(3, None, PIXELS)
    geometry = phantom.volume.geometry
    assert axis_codes(geometry)[1:] == ("I", "L")
    for name, sign in (("right lung", -1), ("left lung", 1)):
        centre = np.argwhere(phantom.regions.mask(name)).mean(axis=0)
        assert np.sign(geometry.to_patient(centre)[0]) == sign


def test_lungs_are_darker_than_the_mediastinum_between_them():
    phantom = chest_phantom(5, None, PIXELS)
    picture = phantom.volume.array[0]
    lungs = sum(phantom.regions.mask(name)[0] for name in phantom.regions.names) > 0
    middle = picture[60:140, 95:105]
    assert picture[lungs].mean() < 0.6 * middle.mean()
    assert picture.min() >= 0
    assert picture.max() <= 4095


def test_random_draws_both_sides_and_chooses_nothing_else():
    sides = {chest_phantom(seed, "random", 64).side for seed in range(12)}
    assert sides == {"left", "right"}
    drawn = chest_phantom(1, "random", 64)
    named = chest_phantom(1, drawn.side, 64)
    np.testing.assert_array_equal(drawn.volume.array, named.volume.array)
