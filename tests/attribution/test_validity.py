"""The badge follows from what the engine found out, and from nothing else."""

from __future__ import annotations

import pytest
import torch

from saliency_viewer.attribution.validity import Findings, Residual, judge, residual

MAPS = torch.tensor([[[1.0, -2.0]], [[3.0, 0.5]]])


def test_nothing_found_is_verified_without_a_word() -> None:
    found = judge(MAPS, Findings())
    assert (found.badge, found.text, found.intercepted) == ("verified", "", None)


@pytest.mark.parametrize(
    ("counts", "badge", "text"), [((4, 4), "verified", "4 of 4 activations"), ((3, 4), "failed", "3 of 4 activations")]
)
def test_every_activation_must_have_been_reached(counts: tuple[int, int], badge: str, text: str) -> None:
    found = judge(MAPS, Findings(counts=counts))
    assert found.badge == badge
    assert text in found.text
    assert (found.intercepted, found.executed) == counts


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_fail_before_all_else(value: float) -> None:
    maps = MAPS.clone()
    maps[1, 0, 0] = value
    found = judge(maps, Findings(counts=(1, 1), approximation="something"))
    assert found.badge == "failed"
    assert "not finite" in found.text


@pytest.mark.parametrize(("worst", "badge"), [(0.049, "verified"), (-0.051, "approximate"), (2.0, "approximate")])
def test_the_worst_sample_s_residual_decides(worst: float, badge: str) -> None:
    checked = Residual(torch.tensor([0.001, worst]), torch.tensor([False, False]), of_score=False)
    found = judge(MAPS, Findings(residual=checked))
    assert found.badge == badge
    assert f"residual {abs(worst):.1%}" in found.text


TOO_SMALL = [
    (True, "close to zero", "score near 0"),
    (False, "does not differ from the baseline", "no difference"),
]


@pytest.mark.parametrize(("of_score", "text", "short"), TOO_SMALL)
def test_a_score_too_small_to_divide_by_is_said_instead_of_a_residual(of_score: bool, text: str, short: str) -> None:
    checked = Residual(torch.tensor([0.0, 0.0]), torch.tensor([False, True]), of_score)
    found = judge(MAPS, Findings(residual=checked))
    assert found.badge == "approximate"
    assert text in found.text
    assert found.short == short
    assert "residual" not in found.text


def test_the_statistical_error_counts_as_a_part_of_the_map() -> None:
    small, large = (judge(MAPS, Findings(standard_error=torch.tensor([0.01, e]))) for e in (0.08, 0.1))
    assert (small.badge, large.badge) == ("verified", "approximate")  # the second map's mean size is 1.75
    assert "Monte-Carlo error 5.7%" in large.text
    assert (small.short, large.short) == ("± 4.6 %", "± 5.7 %")


def test_the_badge_says_first_what_makes_a_map_doubtful() -> None:
    small = Residual(torch.tensor([0.00002, 0.0]), torch.tensor([False, False]), of_score=False)
    assert judge(MAPS, Findings(small)).short == "residual < 0.01 %"
    found = judge(MAPS, Findings(small, standard_error=torch.tensor([0.5, 0.0])))
    assert (found.badge, found.short) == ("approximate", "± 33 %")
    assert found.text.startswith("Monte-Carlo error")
    assert judge(0 * MAPS, Findings()).short == "no evidence"
    assert judge(0 * MAPS, Findings(small)).short == "residual < 0.01 %"
    assert judge(MAPS, Findings(approximation="4 clusters stand for 9 channels")).short == ""


def test_a_residual_larger_than_the_evidence_is_a_whole_number_of_percent() -> None:
    large = Residual(torch.tensor([4.326, 0.0]), torch.tensor([False, False]), of_score=False)
    assert judge(MAPS, Findings(large)).short == "residual 433 %"


def test_what_was_left_out_makes_a_map_approximate() -> None:
    found = judge(MAPS, Findings(approximation="4 clusters stand for 9 channels"))
    assert (found.badge, found.text) == ("approximate", "4 clusters stand for 9 channels")


def test_empty_maps_are_said_to_be_empty() -> None:
    empty, below = MAPS.clone(), MAPS.clone()
    empty[0], below[1] = 0.0, -below[1].abs()
    assert judge(empty, Findings()).text == "no evidence: the map is zero everywhere"
    assert judge(below, Findings(one_sided=True)).text.startswith("no positive evidence")
    assert judge(below, Findings()).text == ""


def test_several_doubts_are_all_said() -> None:
    checked = Residual(torch.tensor([0.5, 0.0]), torch.tensor([False, False]), of_score=False)
    found = judge(MAPS, Findings(checked, (2, 2), torch.tensor([5.0, 0.0]), "a part was left out"))
    assert found.badge == "approximate"
    for word in ("left out", "residual 50.0%", "Monte-Carlo"):
        assert word in found.text


def test_residuals_divide_by_the_difference_or_by_a_hundredth_of_the_logits_range() -> None:
    maps = torch.tensor([[1.0, 1.0], [0.5, 0.0]])
    expected, score = torch.tensor([1.6, 0.001]), torch.tensor([3.0, 3.0])
    logits = torch.tensor([[3.0, -7.0], [3.0, -7.0]])
    found = residual(maps, expected, score, logits)
    assert found.relative.tolist() == pytest.approx([0.4 / 1.6, 0.499 / 0.1], rel=1e-5)
    assert found.below.tolist() == [False, True]
    assert not found.of_score
    alone = residual(maps, expected, score, logits[:, :1])  # one logit: of the larger of both scores
    assert alone.relative.tolist() == pytest.approx([0.4 / 1.6, 0.499 / 0.03], rel=1e-4)
    assert residual(maps, score, score, None).of_score
