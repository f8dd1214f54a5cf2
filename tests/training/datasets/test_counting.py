import pytest

from saliency_viewer.domain import ImageReference
from saliency_viewer.domain.training import TrainingCase, TrainingData
from saliency_viewer.training.datasets import class_weights, label_counts, summary


def data_of(*counts, patients=None):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    cases = tuple(
        TrainingCase(f"row {k}", ImageReference("x"), f"P{k % (patients or len(labels))}", label)
        for k, label in enumerate(labels)
    )
    return TrainingData(tuple("abcdefghijk"[: len(counts)]), cases)


def test_counts_follow_the_classes():
    data = data_of(3, 0, 5)
    assert label_counts(data) == (3, 0, 5)
    assert label_counts(data, [0, 1, 3]) == (2, 0, 1)


def test_balanced_weights_give_every_class_the_same_sum_and_images_a_mean_of_one():
    weights = class_weights(data_of(30, 10))
    assert weights == pytest.approx((2 / 3, 2.0))
    assert 30 * weights[0] == pytest.approx(10 * weights[1])
    assert (30 * weights[0] + 10 * weights[1]) / 40 == pytest.approx(1)


def test_weights_of_a_part_and_of_an_absent_class():
    data = data_of(4, 4, 0)
    assert class_weights(data, [0, 1, 2, 4]) == pytest.approx((2 / 3, 2.0, 0.0))
    assert class_weights(data, kind="none") == (1.0, 1.0, 1.0)


def test_the_summary_is_a_sentence():
    assert summary(data_of(2900, 1100, patients=3100)) == "4,000 images of 3,100 patients: 2,900 a, 1,100 b"
    assert summary(data_of(1, 0)) == "1 image of 1 patient: 1 a"
    assert summary(data_of(*[1] * 11)).endswith("1 h, and 3 classes more")
    assert summary(data_of(2, 2), []) == "0 images of 0 patients"
