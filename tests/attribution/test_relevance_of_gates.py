"""Differences, gates and written-out activations: what relevance makes of sums and products of two feature maps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_networks import inputs_for
from test_relevance_rules import LRP
from torch import Tensor, nn
from torch.nn import functional

from saliency_viewer.attribution import explain
from saliency_viewer.errors import UserError


class Difference(nn.Module):
    """Sums of two branches, spelled in ways of which each has its own sign."""

    def __init__(self, spelling: str) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.one, self.other, self.head = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 1), nn.Linear(3, 2)
        self.spelling = spelling

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.one(x), self.other(x)
        spelled = {
            "sub": lambda: one - other,
            "rsub": lambda: torch.rsub(other, one),
            "alpha": lambda: torch.add(one, other, alpha=-1),
            "in place": lambda: one.sub_(other),
        }
        return self.head(spelled[self.spelling]().mean((2, 3)))


@pytest.mark.parametrize("spelling", ["rsub", "alpha", "in place"])
def test_a_difference_is_shared_the_same_however_it_is_spelled(spelling: str) -> None:
    for name in LRP:
        one, other = (
            explain(Difference(s).double(), inputs_for(2).double(), name, 1)[name].signed for s in ("sub", spelling)
        )
        assert torch.allclose(one, other, atol=1e-6 * float(one.abs().max()))


class GatedOnce(nn.Module):
    """Maps of one position, a squeeze-and-excitation gate on them, and what ``gating`` makes of both."""

    def __init__(self, gating: Any, size: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(6)
            self.conv, self.squeeze, self.head = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 2)
        self.gating, self.pool = gating, nn.AdaptiveMaxPool2d(size)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.pool(torch.relu(self.conv(x)))
        squeezed = self.squeeze(maps.mean((2, 3), keepdim=True))
        return self.head(self.gating(maps, squeezed).mean((2, 3)))


GATINGS = {
    "gate second": lambda x, s: x * torch.sigmoid(s),
    "gate first": lambda x, s: torch.sigmoid(s) * x,
    "hard gate": lambda x, s: x * functional.hardsigmoid(s),
    "gate in place": lambda x, s: x.mul_(torch.sigmoid(s)),
    "reshaped gate": lambda x, s: x * torch.sigmoid(s.flatten(1)).reshape(x.shape[0], -1, 1, 1),
}


@pytest.mark.parametrize("name", GATINGS)
def test_gates_of_maps_with_one_position_are_gates(name: str) -> None:
    methods = ["guided-backprop", "deconvnet", "excitation-backprop", *LRP]
    inputs = inputs_for(2).double()
    found = explain(GatedOnce(GATINGS[name]).double(), inputs, methods, 1)
    hard = name == "hard gate"
    broadcast = (lambda x, s: x * functional.hardsigmoid(s)) if hard else GATINGS["gate second"]
    # Beside maps of two positions the gate is broadcast, so that its part is beyond doubt; here both hold the same.
    twice = GatedOnce(lambda x, s: broadcast(x.expand(-1, -1, 2, -1), s)).double()
    expected = explain(twice, inputs, methods, 1)
    for key in methods:
        assert found[key].signed.any()
        scale = float(expected[key].signed.abs().max())
        assert torch.allclose(found[key].signed, expected[key].signed, atol=1e-5 * scale), key


def test_an_expanded_gate_is_a_gate() -> None:
    methods = ["guided-backprop", "deconvnet", "excitation-backprop", *LRP]
    inputs = inputs_for(2).double()
    one, other = (
        explain(GatedOnce(gating, 3).double(), inputs, methods, 1)
        for gating in (lambda x, s: x * torch.sigmoid(s), lambda x, s: x * torch.sigmoid(s).expand_as(x))
    )
    for key in methods:
        assert torch.allclose(one[key].signed, other[key].signed, atol=1e-7), key


SWISHES = {
    "x * sigmoid(x)": lambda x, s: x * torch.sigmoid(x),
    "sigmoid(x) * x": lambda x, s: torch.sigmoid(x) * x,
    "x * sigmoid(1 x)": lambda x, s: x * torch.sigmoid(1.0 * x),
}


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("name", SWISHES)
def test_a_written_out_swish_is_an_activation(name: str, size: int) -> None:
    inputs = inputs_for(2).double()
    written = explain(GatedOnce(SWISHES[name], size).double(), inputs, LRP, 1)
    called = explain(GatedOnce(lambda x, s: functional.silu(x), size).double(), inputs, LRP, 1)
    for key in LRP:
        scale = float(called[key].signed.abs().max())
        assert torch.allclose(written[key].signed, called[key].signed, atol=1e-6 * scale), key
    for key in ("guided-backprop", "deconvnet"):
        with pytest.raises(UserError, match="product of two feature maps"):
            explain(GatedOnce(SWISHES[name], size).double(), inputs, key, 1)


UNCLEAR = {
    "a gate for each position": lambda x, s: x * torch.sigmoid(x.flip(1) + x),
    "two signals": lambda x, s: x * (s + x),
    "a gate of values overwritten since": lambda x, s: _late(x.clone(), s),
}


def _late(x: Tensor, s: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    x += s
    return x * gate


@pytest.mark.parametrize("name", UNCLEAR)
def test_products_that_are_neither_are_refused(name: str) -> None:
    for key in (*LRP, "excitation-backprop", "guided-backprop", "deconvnet"):
        with pytest.raises(UserError, match="product of two feature maps"):
            explain(GatedOnce(UNCLEAR[name], 3).double(), inputs_for(2).double(), key, 1)


def test_a_map_shifted_below_zero_in_place_is_no_longer_taken_for_positive() -> None:
    class Shifting(nn.Module):
        def __init__(self, in_place: bool) -> None:
            super().__init__()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(8)
                self.one, self.other, self.head = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 3, 3), nn.Linear(3, 2)
            self.in_place = in_place

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.one(x))
            if self.in_place:
                x[:, :1].sub_(2.0)
            else:
                x = torch.cat([x[:, :1] - 2.0, x[:, 1:]], 1)
            return self.head(self.other(x).mean((2, 3)))

    for key in LRP:
        one, other = (
            explain(Shifting(flag).double(), inputs_for(2).double(), key, 1)[key].signed for flag in (True, False)
        )
        assert torch.allclose(one, other, atol=1e-6 * float(other.abs().max())), key
