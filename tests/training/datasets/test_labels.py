import itertools

import pytest

from saliency_viewer.training.datasets.labels import classes_of


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["1", "0"], ("0", "1")),
        (["10", "9", "2"], ("2", "9", "10")),
        (["1.0", "0.0", "1"], ("0", "1")),
        (["-1", "1", "-0", "0"], ("-1", "0", "1")),
        (["opacity", "normal"], ("normal", "opacity")),
        (["abnormal", "normal"], ("normal", "abnormal")),
        (["Pneumonia", "No pneumonia"], ("No pneumonia", "Pneumonia")),
        (["TLE", "HC"], ("HC", "TLE")),
        (["True", "False"], ("False", "True")),
        (["PA", "AP Supine", "AP"], ("AP", "AP Supine", "PA")),
        (["2", "x", "10"], ("10", "2", "x")),
    ],
)
def test_classes_have_one_order_whatever_the_order_of_the_rows(texts, names):
    for order in itertools.permutations(texts):
        found = classes_of(order)
        assert tuple(name for _, name in found.values()) == names
        assert [index for index, _ in found.values()] == list(range(len(names)))


def test_spellings_of_one_class_are_one_under_the_most_frequent():
    assert classes_of(["Normal", "normal", "normal", "a  b", "A b"]) == {
        "normal": (0, "normal"),
        "a b": (1, "A b"),
    }
