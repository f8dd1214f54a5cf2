"""Sentences about answers and agreement that are printed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from saliency_viewer.cli.compare import _sentence
from saliency_viewer.cli.examination import prediction_words
from saliency_viewer.domain import AgreementRow, Prediction


@pytest.mark.parametrize(("predicted", "reason"), [(0, True), (1, False)])
def test_a_class_below_one_half_says_that_the_threshold_decided(predicted: int, reason: bool) -> None:
    said = Prediction(("well", "sick"), np.array([-0.1, 0.1]), np.array([0.45, 0.55]), predicted)
    words = prediction_words(said)
    assert words.startswith(f"predicted {said.label}, probability {said.probability:.3f}")
    assert ("the model's threshold decides" in words) is reason


def test_maps_of_two_classes_say_so_where_their_agreement_is_printed() -> None:
    row = AgreementRow(
        "A",
        "gradient",
        "B",
        "gradient",
        "repeatability",
        "",
        "rank_correlation",
        0.5,
        "",
        0.25,
        "targets differ: well, sick",
    )
    assert _sentence(row).endswith("rank correlation 0.50 (by chance up to 0.25); targets differ: well, sick")
    assert _sentence(dataclasses.replace(row, note="")).endswith("(by chance up to 0.25)")
