from __future__ import annotations

import numpy as np
import pytest

SHAPE = (4, 8, 10)
SHARE = (2 * 4 * 5) / (4 * 8 * 10)


@pytest.fixture
def block():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[1:3, 2:6, 3:8] = True
    return mask


@pytest.mark.parametrize(
    "statistic", ["mass_fraction", "mass_fraction_abs", "pointing_hit", "average_precision", "rank_accuracy"]
)
def test_constant_map_gives_the_share_of_the_region(measured, block, statistic):
    row = measured(np.full(SHAPE, 3.5), block=block)["block", statistic]
    assert row.value == pytest.approx(SHARE, abs=1e-12)
    assert row.reference == pytest.approx(SHARE, abs=1e-15)


def test_constant_map_has_an_enrichment_of_one(measured, block):
    row = measured(np.full(SHAPE, 3.5), block=block)["block", "enrichment"]
    assert row.value == pytest.approx(1.0, abs=1e-12)
    assert row.reference == 1.0


@pytest.mark.parametrize(
    "statistic", ["mass_fraction", "mass_fraction_abs", "pointing_hit", "average_precision", "rank_accuracy"]
)
def test_indicator_of_the_region_gives_one(measured, block, statistic):
    assert measured(block * 0.7, block=block)["block", statistic].value == pytest.approx(1.0, abs=1e-12)


def test_indicator_has_the_inverse_share_as_enrichment(measured, block):
    assert measured(block * 0.7, block=block)["block", "enrichment"].value == pytest.approx(1 / SHARE, rel=1e-12)


def test_average_precision_of_a_constant_map_at_one_percent_is_one_percent_and_not_the_trapezoid(measured):
    mask = np.zeros((1, 10, 100), dtype=bool)
    mask[0, 0, :10] = True
    assert measured(np.ones((1, 10, 100)), r=mask)["r", "average_precision"].value == pytest.approx(0.01, abs=1e-12)


def test_masses_of_a_partition_add_to_one(measured):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, SHAPE)
    rows = measured(rng.normal(size=SHAPE), a=labels == 0, b=labels == 1, c=labels == 2)
    for statistic in ("mass_fraction", "mass_fraction_abs"):
        total = sum(rows[name, statistic].value for name in ("a", "b", "c", "outside regions"))
        assert total == pytest.approx(1.0, abs=1e-12)


def test_evidence_against_the_target_counts_only_in_the_absolute_mass(measured, block):
    array = np.where(block, -1.0, 1.0)
    rows = measured(array, block=block)
    assert rows["block", "mass_fraction"].value == 0.0
    assert rows["block", "mass_fraction_abs"].value == pytest.approx(SHARE)
    assert rows["outside regions", "mass_fraction"].value == 1.0


def test_pointing_shares_a_tie_of_the_highest_values(measured, block):
    array = np.zeros(SHAPE)
    array[1, 2, 3] = array[0, 0, 0] = array[3, 7, 9] = array[2, 5, 7] = 2.0
    assert measured(array, block=block)["block", "pointing_hit"].value == 0.5


def test_ramp_has_the_moments_of_its_closed_form(measured):
    array = np.arange(1, 101, dtype=float).reshape(1, 10, 10) - 50.0
    rows = measured(array, all=np.ones((1, 10, 10)))
    expected = {
        "mean": 0.5,
        "sd": np.sqrt((100**2 - 1) / 12),
        "min": -49.0,
        "max": 50.0,
        "median": 0.5,
        "mean_abs": (49 * 50 / 2 + 50 * 51 / 2) / 100,
        "positive_sum": 50 * 51 / 2,
        "negative_sum": -49 * 50 / 2,
        "voxels": 100,
    }
    for statistic, value in expected.items():
        assert rows["all", statistic].value == pytest.approx(value, rel=1e-12), statistic
        assert rows["whole image", statistic].value == pytest.approx(value, rel=1e-12), statistic


def test_moments_stand_beside_those_of_the_whole(measured, block):
    array = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    rows = measured(array, block=block)
    exact = array.astype(np.float64)
    for statistic, whole in (
        ("mean", exact.mean()),
        ("sd", exact.std()),
        ("min", exact.min()),
        ("max", exact.max()),
        ("median", np.median(exact)),
        ("mean_abs", np.abs(exact).mean()),
        ("positive_sum", exact[exact > 0].sum()),
        ("negative_sum", exact[exact < 0].sum()),
        ("voxels", exact.size),
    ):
        assert rows["block", statistic].reference == pytest.approx(whole, rel=1e-9), statistic
