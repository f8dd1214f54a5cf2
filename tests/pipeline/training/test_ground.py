from collections import Counter
from typing import ClassVar

from saliency_viewer.domain import ImageReference, TrainingCase, TrainingData
from saliency_viewer.pipeline.training.ground import Ground, require_classes
from saliency_viewer.training.datasets import Split


class Cases(tuple):
    """A tuple that counts how often it is walked through."""

    walks: ClassVar[Counter] = Counter()

    def __iter__(self):
        self.walks["all"] += 1
        return super().__iter__()


def test_looking_up_a_case_does_not_walk_through_the_whole_set():
    count = 40
    cases = Cases(TrainingCase(f"{k}", ImageReference("x"), f"p{k}", k % 2) for k in range(count))
    halves = Split(tuple(range(20)), tuple(range(20, count)), ())
    ground = Ground(None, TrainingData(("no", "yes"), cases), halves, None, None, None)
    Cases.walks.clear()
    require_classes(ground)
    assert {ground.patients[case] for case in ground.cases("training")} == {f"p{k}" for k in range(20)}
    assert Cases.walks["all"] == 2  # once for labels, once for patients
