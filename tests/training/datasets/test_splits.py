from collections import Counter

import numpy as np
import pytest

from saliency_viewer.domain import ImageReference
from saliency_viewer.domain.training import TrainingCase, TrainingData, TrainingSettings
from saliency_viewer.errors import UserError
from saliency_viewer.training.datasets import Split, folds, split


def data_of(pairs, classes=2):
    """``pairs`` of (patient, label)."""
    cases = tuple(TrainingCase(f"row {k}", ImageReference(f"{k}"), p, y) for k, (p, y) in enumerate(pairs))
    return TrainingData(tuple(f"class {k}" for k in range(classes)), cases)


def drawn(count, seed, classes=2, images=4):
    """Patients with one to ``images`` images, some of them with several labels, classes of unequal size."""
    rng = np.random.default_rng(seed)
    pairs = []
    for patient in range(count):
        usual = min(int(rng.exponential(0.8)), classes - 1)
        for _ in range(int(rng.integers(1, images + 1))):
            label = usual if rng.random() < 0.7 else int(rng.integers(classes))
            pairs.append((f"P{patient}", label))
    return data_of([pairs[k] for k in rng.permutation(len(pairs))], classes)


def sides(found):
    return [found.training, found.validation, found.test]


def check(data, parts):
    """Every case once, no patient twice, every class on every side."""
    assert sorted(k for part in parts for k in part) == list(range(len(data.cases)))
    owners = [{data.cases[k].patient for k in part} for part in parts]
    assert sum(map(len, owners)) == len(set().union(*owners))
    for part in parts:
        assert {data.cases[k].label for k in part} == set(range(len(data.classes)))
        assert list(part) == sorted(part)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_no_patient_is_on_two_sides_and_every_class_is_on_each(seed, classes):
    data = drawn(120, seed, classes)
    check(data, sides(split(data, TrainingSettings(seed=seed))))


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_patients_and_of_each_class_are_near_those_wanted(seed):
    data = drawn(400, seed)
    found = split(data, TrainingSettings(validation=0.2, test=0.1, seed=seed))
    patients = len({case.patient for case in data.cases})
    for part, share in zip(sides(found), (0.7, 0.2, 0.1), strict=True):
        mine = {data.cases[k].patient for k in part}
        assert abs(len(mine) - share * patients) <= 0.02 * patients
        for label in (0, 1):
            owners = {case.patient for case in data.cases if case.label == label}
            assert abs(len(mine & owners) - share * len(owners)) <= 0.05 * len(owners) + 1


def test_one_image_each_gives_exact_numbers():
    data = data_of([(f"P{k}", int(k % 4 == 0)) for k in range(200)])
    found = split(data, TrainingSettings(validation=0.2, test=0.2))
    counts = [Counter(data.cases[k].label for k in part) for part in sides(found)]
    assert counts == [{0: 90, 1: 30}, {0: 30, 1: 10}, {0: 30, 1: 10}]


@pytest.mark.parametrize("rare", [3, 4, 7])
def test_a_rare_class_is_on_every_side_all_the_same(rare):
    data = data_of([(f"P{k}", int(k < rare)) for k in range(100)])
    found = split(data, TrainingSettings(validation=0.05, test=0.05))
    check(data, sides(found))


def test_the_same_seed_gives_the_same_split_on_any_machine_and_another_seed_another_one():
    data = data_of([(f"P{k}", k % 2) for k in range(20)])
    found = split(data, TrainingSettings(seed=7))
    # Written down once: hashes order the patients, so no library, version or processor may change this.
    assert found == Split((1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18), (0, 15, 16), (5, 14, 19))
    assert found != split(data, TrainingSettings(seed=8))


def test_the_order_of_the_rows_changes_nothing():
    data = drawn(60, 1, 3)
    turned = TrainingData(data.classes, data.cases[::-1])
    found, again = (split(one, TrainingSettings(seed=2)) for one in (data, turned))
    for first, second in zip(sides(found), sides(again), strict=True):
        assert {data.cases[k].name for k in first} == {turned.cases[k].name for k in second}


def test_without_test_everything_is_training_or_validation():
    data = drawn(50, 3)
    found = split(data, TrainingSettings(test=0.0))
    assert found.test == ()
    check(data, [found.training, found.validation])


def test_too_few_patients_of_a_class_are_named():
    data = data_of([(f"P{k}", 0) for k in range(10)] + [("Q", 1), ("Q", 1), ("R", 1)])
    with pytest.raises(UserError, match="The class 'class 1' has images of 2 patients, and each of the 3 sides"):
        split(data, TrainingSettings())


def test_shares_that_leave_nothing_are_refused():
    with pytest.raises(UserError, match="none are left to train on"):
        split(drawn(50, 0), TrainingSettings(validation=0.5, test=0.5))


def test_classes_that_share_all_their_patients_are_spread_too():
    # Each class has three patients, and they are the same three: every side must get one of them.
    data = data_of([(p, y) for p in "ABC" for y in (0, 1)] + [(f"P{k}", 0) for k in range(20)])
    check(data, sides(split(data, TrainingSettings())))


@pytest.mark.parametrize("count", [2, 5])
def test_folds_hold_every_case_out_once(count):
    data = drawn(100, 4, 3)
    found = folds(data, TrainingSettings(seed=1), count)
    assert len(found) == count
    check(data, [one.test for one in found])
    for one in found:
        check(data, sides(one))
    sizes = [len({data.cases[k].patient for k in one.test}) for one in found]
    assert max(sizes) - min(sizes) <= 4


def test_more_folds_than_patients_of_a_class_are_refused():
    data = data_of([(f"P{k}", 0) for k in range(20)] + [(f"Q{k}", 1) for k in range(4)])
    with pytest.raises(UserError, match="'class 1' has images of 4 patients, and each of the 5 sides"):
        folds(data, TrainingSettings(), 5)
    with pytest.raises(UserError, match="at least two folds"):
        folds(data, TrainingSettings(), 1)


def test_a_set_with_its_own_split_has_no_folds():
    data = data_of([(f"P{k}", k % 2) for k in range(20)])
    own = TrainingData(
        data.classes, tuple(TrainingCase(c.name, c.image, c.patient, c.label, side="training") for c in data.cases)
    )
    with pytest.raises(UserError, match="says itself which images"):
        folds(own, TrainingSettings(), 5)
