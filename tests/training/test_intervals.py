import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from saliency_viewer.training.intervals import auc_interval


def cases(seed: int, people: int, images: int = 1) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    positive = np.arange(people) % 2 == 0
    scores = np.round(random.standard_normal(people) + positive, 1)
    return (
        np.repeat(scores, images),
        np.repeat(positive, images),
        [f"p{k}" for k in range(people) for _ in range(images)],
    )


def test_images_of_one_patient_are_no_further_evidence():
    # Every image five times: an interval over images would shrink by the root of five.
    once = auc_interval(*cases(3, 60))
    often = auc_interval(*cases(3, 60, images=5))
    assert often == pytest.approx(once)


def test_the_interval_shrinks_with_the_root_of_the_patients():
    small, large = (auc_interval(*cases(4, people)) for people in (100, 1600))
    assert (small[1] - small[0]) / (large[1] - large[0]) == pytest.approx(4, rel=0.1)


def test_its_width_is_that_of_the_normal_approximation():
    # Hanley and McNeil 1982, with 400 of each kind.
    scores, positive, patients = cases(5, 800)
    area = roc_auc_score(positive, scores)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 399 * (q1 - area**2) + 399 * (q2 - area**2)) / 400**2
    low, high = auc_interval(scores, positive, patients)
    assert low < area < high
    assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.02)


def test_one_patient_of_each_kind_gives_wilsons_interval_of_one_trial():
    # Then the variance is that of a single trial, for which Wilson 1927 has the ends z^2 / (1 + z^2) from 1.
    found = auc_interval(np.array([0.1, 0.2]), np.array([False, True]), ["a", "b"])
    assert found == pytest.approx((1 / (1 + norm.ppf(0.975) ** 2), 1.0))


@pytest.mark.parametrize("turned", [False, True])
def test_classes_that_are_parted_without_a_fault_leave_doubt(turned):
    """The lower end where the equation of second degree in 1 - t has its other root, for 25 patients of each kind."""
    positive = np.arange(50) < 25
    scores = np.where(positive, 1.0, 0.0)
    low, high = auc_interval(-scores if turned else scores, positive, [str(k) for k in range(50)])
    low, high = (1 - high, 1 - low) if turned else (low, high)
    others, z = 24.0, norm.ppf(0.975)
    variance = low * (1 - low) * (1 + others * ((1 - low) / (2 - low) + low / (1 + low))) / 25**2
    assert high == 1
    assert 0.9 < low < 0.95
    assert 1 - low == pytest.approx(z * variance**0.5)


def test_without_cases_of_both_kinds_nothing_is_said():
    assert np.isnan(auc_interval(np.array([0.1, 0.2]), np.array([True, True]), ["a", "b"])).all()


@pytest.mark.parametrize("area", [0.7, 0.9, 0.99])
@pytest.mark.parametrize("alike", [0.0, 0.7, 1.0])
def test_it_holds_the_true_area_as_often_as_it_says(area, alike):
    """Patients with one to five images, which have ``alike`` of their scores' variance in common."""
    random = np.random.default_rng(7)
    distance = 2**0.5 * norm.ppf(area)
    held = 0
    for _ in range(300):
        images = random.integers(1, 6, 40)
        person = np.repeat(np.arange(40), images)
        positive = person < 15
        own, common = random.standard_normal(len(person)), random.standard_normal(40)[person]
        scores = alike**0.5 * common + (1 - alike) ** 0.5 * own + distance * positive
        low, high = auc_interval(scores, positive, [str(k) for k in person])
        held += low <= area <= high
    assert held / 300 >= 0.92
