from __future__ import annotations

import math

import torch
from torch import Tensor

from saliency_viewer.models.from_keras.comparing import disagreement

INPUTS = torch.tensor([[1.0], [2.0]])


def _steady(inputs: Tensor) -> Tensor:
    return 3 * inputs


def _wild_at_one(inputs: Tensor) -> Tensor:
    """Its first answer hangs on the last digits of its input, the second does not."""
    return torch.where(inputs < 1.5, torch.sin(inputs * 1e7), 3 * inputs)


def test_the_difference_is_a_share_of_the_largest_answer() -> None:
    assert disagreement(_steady(INPUTS), _steady(INPUTS), INPUTS, _steady) == 0
    found = disagreement(_steady(INPUTS) + torch.tensor([[0.0], [3e-4]]), _steady(INPUTS), INPUTS, _steady)
    assert math.isclose(found, 3e-4 / 6, rel_tol=1e-2)
    found = disagreement(_steady(INPUTS) + torch.tensor([[0.3], [0.0]]), _steady(INPUTS), INPUTS, _steady)
    assert math.isclose(found, 0.1, rel_tol=1e-5)


def test_an_image_for_which_rounding_decides_proves_nothing() -> None:
    wild = _wild_at_one(INPUTS)
    assert disagreement(wild + torch.tensor([[0.5], [0.0]]), wild, INPUTS, _wild_at_one) == 0
    assert disagreement(wild + torch.tensor([[0.5], [0.6]]), wild, INPUTS, _wild_at_one) > 0.09


def test_a_network_that_is_never_certain_is_not_called_the_same() -> None:
    only = INPUTS[:1]
    wild = _wild_at_one(only)
    assert disagreement(wild + 0.5, wild, only, _wild_at_one) == math.inf


def test_other_shapes_and_numbers_without_sense_are_no_agreement() -> None:
    answer = _steady(INPUTS)
    assert disagreement(answer[:1], answer, INPUTS, _steady) == math.inf
    assert disagreement(answer, answer * math.nan, INPUTS, _steady) == math.inf
