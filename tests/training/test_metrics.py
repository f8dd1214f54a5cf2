import numpy as np
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from saliency_viewer.training.metrics import (
    auc,
    brier,
    class_aucs,
    confusion,
    log_loss,
    macro_auc,
    reliability,
    roc,
    youden_threshold,
)


def scores_and_truth(seed: int, count: int = 60, levels: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with many ties, of which the higher ones are positive more often."""
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels + 1, count) / levels
    positive = random.random(count) < scores
    positive[:2] = True, False
    return scores, positive


def three_classes(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.r_[0, 1, 2, random.integers(0, 3, 40)]
    logits = random.standard_normal((43, 3)) + 1.5 * np.eye(3)[labels]
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True), labels


@given(st.integers(0, 10_000))
def test_area_and_curve_are_those_of_scikit_learn(seed):
    scores, positive = scores_and_truth(seed)
    assert auc(scores, positive) == pytest.approx(reference.roc_auc_score(positive, scores), abs=1e-12)
    curve = roc(scores, positive)
    false, true, thresholds = reference.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positives, false)
    np.testing.assert_allclose(curve.true_positives, true)
    np.testing.assert_allclose(curve.thresholds, thresholds)


def test_one_versus_rest_areas_and_their_mean_are_those_of_scikit_learn():
    probabilities, labels = three_classes(3)
    wanted = reference.roc_auc_score(labels, probabilities, multi_class="ovr", average=None)
    np.testing.assert_allclose(class_aucs(probabilities, labels), wanted)
    assert macro_auc(probabilities, labels) == pytest.approx(wanted.mean())


def test_an_area_without_one_of_the_two_kinds_is_undefined():
    assert np.isnan(auc(np.array([0.1, 0.9]), np.array([True, True])))
    probabilities, labels = three_classes(1)
    labels = np.where(labels == 2, 1, labels)
    areas = class_aucs(probabilities, labels)
    assert np.isnan(areas[2])
    assert macro_auc(probabilities, labels) == pytest.approx(areas[:2].mean())


def test_log_loss_brier_score_and_confusion_are_those_of_scikit_learn():
    probabilities, labels = three_classes(5)
    assert log_loss(probabilities, labels) == pytest.approx(reference.log_loss(labels, probabilities))
    predicted = probabilities.argmax(axis=1)
    np.testing.assert_array_equal(confusion(predicted, labels, 3), reference.confusion_matrix(labels, predicted))
    scores, positive = scores_and_truth(2)
    both = np.stack([1 - scores, scores], axis=1)
    assert brier(both, positive.astype(int)) == pytest.approx(reference.brier_score_loss(positive, scores))


def test_the_brier_score_of_three_classes_by_hand():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]])
    # (0.5 - 1)^2 + 0.3^2 + 0.2^2 = 0.38, and 0 for the certain one.
    assert brier(probabilities, np.array([0, 1])) == pytest.approx(0.19)


def test_reliability_has_the_bins_of_scikit_learn():
    scores, positive = scores_and_truth(9, 200, 37)
    observed, predicted = calibration_curve(positive, scores, n_bins=10)
    found = reliability(scores, positive)
    np.testing.assert_allclose(found.observed, observed)
    np.testing.assert_allclose(found.predicted, predicted)
    assert found.cases.sum() == 200


def test_the_calibration_error_by_hand():
    # Bin 0.2..0.3: predicted 0.25, a half is true, 2 cases; bin 0.9..1: predicted 1, all true, 2 cases.
    found = reliability(np.array([0.25, 0.25, 1.0, 1.0]), np.array([True, False, True, True]))
    assert found.error == pytest.approx((2 * 0.25 + 2 * 0.0) / 4)


@given(st.integers(0, 10_000))
def test_no_threshold_separates_better_than_the_chosen_one(seed):
    scores, positive = scores_and_truth(seed)

    def gain(threshold):
        said = scores >= threshold
        return said[positive].mean() + (~said)[~positive].mean()

    chosen = youden_threshold(scores, positive)
    assert 0 < chosen < 1
    assert gain(chosen) >= max(gain(t) for t in np.linspace(0, 1, 400)) - 1e-12


def test_the_threshold_lies_in_the_middle_of_the_gap():
    scores, positive = np.array([0.1, 0.2, 0.6, 0.9]), np.array([False, False, True, True])
    assert youden_threshold(scores, positive) == pytest.approx(0.4)
