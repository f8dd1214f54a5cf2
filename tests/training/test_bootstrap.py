import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from saliency_viewer.training.bootstrap import _weighted_aucs, auc_interval


def cases(seed: int, people: int, images: int = 1) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    positive = np.arange(people) % 2 == 0
    scores = np.round(random.standard_normal(people) + positive, 1)
    return (
        np.repeat(scores, images),
        np.repeat(positive, images),
        [f"p{k}" for k in range(people) for _ in range(images)],
    )


def test_a_draws_area_is_that_of_scikit_learn_with_the_draw_as_weights():
    scores, positive, _ = cases(1, 40)
    weights = np.random.default_rng(2).integers(0, 4, (5, 40)).astype(float)
    wanted = [roc_auc_score(positive, scores, sample_weight=row) for row in weights]
    np.testing.assert_allclose(_weighted_aucs(scores, positive, weights), wanted)


def test_images_of_one_patient_are_no_further_evidence():
    # Every image five times: an interval over images would shrink by the root of five.
    once = auc_interval(*cases(3, 60), seed=0)
    often = auc_interval(*cases(3, 60, images=5), seed=0)
    assert often == pytest.approx(once)


def test_the_interval_shrinks_with_the_root_of_the_patients():
    small, large = (auc_interval(*cases(4, people), seed=0) for people in (100, 1600))
    assert (small[1] - small[0]) / (large[1] - large[0]) == pytest.approx(4, rel=0.35)


def test_its_width_is_that_of_the_normal_approximation():
    # Hanley and McNeil 1982, with 400 of each kind.
    scores, positive, patients = cases(5, 800)
    area = roc_auc_score(positive, scores)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 399 * (q1 - area**2) + 399 * (q2 - area**2)) / 400**2
    low, high = auc_interval(scores, positive, patients, seed=1)
    assert low < area < high
    assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.15)


def test_without_cases_of_both_kinds_nothing_is_said():
    assert np.isnan(auc_interval(np.array([0.1, 0.2]), np.array([True, True]), ["a", "b"], seed=0)).all()


def test_of_two_patients_one_of_each_kind_nothing_is_said():
    # Half of the draws hold one patient twice and have no area; the others say 1, which is no interval to believe.
    scores, positive = np.array([0.1, 0.2]), np.array([False, True])
    found = [auc_interval(scores, positive, ["a", "b"], seed=seed) for seed in range(20)]
    assert any(np.isnan(low) for low, _ in found)
