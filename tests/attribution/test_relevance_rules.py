"""Rules of relevance against naive re-derivations and sums worked out by hand, in double precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_networks import CONV, SIZES, Plain, inputs_for, make
from torch import Tensor, nn

from saliency_viewer.attribution import explain
from saliency_viewer.attribution.rules import RULE_SETS
from saliency_viewer.attribution.rules.layer_rules import Epsilon
from saliency_viewer.attribution.rules.relevance import Composite, Relevance
from saliency_viewer.domain import ScoreTarget
from saliency_viewer.errors import UserError

LRP = (
    "lrp-epsilon-plus",
    "lrp-epsilon-plus-flat",
    "lrp-epsilon-alpha2-beta1",
    "lrp-epsilon-alpha2-beta1-flat",
    "lrp-epsilon-gamma-box",
)
EPSILON = 1e-6


def away_from_zero(values: Tensor) -> Tensor:
    return torch.where(values < 0, values - EPSILON, values + EPSILON)


def without_biases(axes: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Plain(axes, bias=False).double().eval()


# In one dimension some outputs have no negative contribution, whose part alpha-beta then drops.
CONSERVING = [
    (name, axes)
    for axes in SIZES
    for name in (*LRP, "excitation-backprop")
    if axes > 1 or not name.startswith("lrp-epsilon-alpha2")
]


@pytest.mark.parametrize(("name", "axes"), CONSERVING)
def test_without_biases_every_layer_passes_on_what_it_got(name: str, axes: int) -> None:
    network, inputs = without_biases(axes), inputs_for(axes).double()
    sums: list[Tensor] = []
    for layer in network.get_submodule("features"):
        # A rectifier overwrites its input: a convolution's relevance is seen behind the copy that it gets here.
        layer.register_forward_hook(lambda _m, _i, out: _summed(out, sums))
    result = explain(network, inputs, name, 1)[name]
    expected = torch.ones_like(result.score) if name == "excitation-backprop" else result.score
    assert len(sums) == 5
    for total in (*sums, result.signed.flatten(1).sum(1)):
        assert torch.allclose(total.float(), expected, rtol=1e-3)
    assert result.validity.badge == "verified"
    assert result.validity.intercepted == result.validity.executed == 2


def _summed(out: Tensor, sums: list[Tensor]) -> Tensor:
    if out.requires_grad:
        out = out.clone()
        out.register_hook(lambda relevance: sums.append(relevance.flatten(1).sum(1)))
    return out


@pytest.mark.parametrize("name", ["plain", "functional"])
@pytest.mark.parametrize("axes", SIZES)
def test_epsilon_everywhere_is_input_x_gradient_when_epsilon_vanishes(
    name: str, axes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Epsilon(1e-12)
    monkeypatch.setitem(RULE_SETS, "epsilon-plus", lambda **_: Relevance(Composite(rule, rule)))
    network, inputs = make(name, axes).double(), inputs_for(axes).double()
    found = explain(network, inputs, ["lrp-epsilon-plus", "input-x-gradient"], 1)
    expected = found["input-x-gradient"].signed
    difference = (found["lrp-epsilon-plus"].signed - expected).abs().max()
    assert difference < 1e-3 * expected.abs().max()


def test_epsilon_with_batch_normalisation_and_sums_is_input_x_gradient_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import build

    rule = Epsilon(1e-12)
    monkeypatch.setitem(RULE_SETS, "epsilon-plus", lambda **_: Relevance(Composite(rule, rule)))
    network, inputs = build("residual 2D")
    found = explain(network.double(), inputs.double(), ["lrp-epsilon-plus", "input-x-gradient"], 1)
    expected = found["input-x-gradient"].signed
    assert (found["lrp-epsilon-plus"].signed - expected).abs().max() < 1e-3 * expected.abs().max()


class OneLayer(nn.Module):
    """One convolution whose outputs are added up with fixed weights (an epsilon layer of its own)."""

    def __init__(self, axes: int, groups: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            self.conv = CONV[axes](2, 4, 3, stride=2, padding=1, dilation=1, groups=groups)
            with torch.no_grad():
                size = self.conv(inputs_for(axes, 1)).numel()
            self.head = nn.Linear(size, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).flatten(1))


def as_matrix(network: OneLayer, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """(outputs, inputs) weights of the convolution, found by asking it about unit inputs, and its (outputs,) bias."""
    with torch.no_grad():
        bias = network.conv(torch.zeros(1, *shape[1:], dtype=torch.float64)).flatten()
        units = torch.eye(shape[1:].numel(), dtype=torch.float64).reshape(-1, *shape[1:])
        return (network.conv(units).flatten(1) - bias).T, bias


def naively(name: str, x: Tensor, matrix: Tensor, bias: Tensor, relevance: Tensor, bounds: Tensor) -> Tensor:
    """The rule for one sample, contribution by contribution: x (inputs,), relevance (outputs,)."""
    parts = matrix * x
    positive, negative = parts.clamp(min=0), parts.clamp(max=0)
    raising, lowering = positive.sum(1) + bias.clamp(min=0), negative.sum(1) + bias.clamp(max=0)

    def share(contributions: Tensor, totals: Tensor) -> Tensor:
        return (contributions * (relevance / away_from_zero(totals))[:, None]).sum(0)

    if name.endswith("flat"):
        present = (matrix != 0).double()
        return share(present, present.sum(1))
    if name.endswith("box"):
        low, high = bounds
        boxed = parts - low * matrix.clamp(min=0) - high * matrix.clamp(max=0)
        return share(boxed, boxed.sum(1))
    if name.endswith("alpha2-beta1"):
        return 2 * share(positive, raising) - share(negative, lowering)
    return share(positive, raising)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("axes", SIZES)
@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("name", LRP)
def test_a_convolution_shares_as_contribution_by_contribution(
    name: str, positive: bool, axes: int, groups: int
) -> None:
    network = OneLayer(axes, groups).double()
    inputs = inputs_for(axes).double()
    inputs = inputs.abs() if positive else inputs
    found = explain(network, inputs, name, 1, input_range=(-5.0, 6.0))[name].signed
    matrix, bias = as_matrix(network, inputs.shape)
    for row, x in enumerate(inputs):
        with torch.no_grad():
            out = network.conv(x[None]).flatten()
            parts = network.head.weight[1] * out
        relevance = parts / away_from_zero(parts.sum()) * parts.sum()
        expected = naively(name, x.flatten(), matrix, bias, relevance, torch.tensor([-5.0, 6.0])).reshape(x.shape)
        assert torch.allclose(found[row], expected.float(), rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.parametrize("gamma", [0.0, 0.25, 3.0])
@pytest.mark.parametrize("positive", [True, False])
def test_gamma_weighs_contributions_of_the_output_s_own_sign(gamma: float, positive: bool) -> None:
    first, second = OneLayer(2), nn.Conv2d(2, 2, 1)  # the first layer at the image has the box rule
    network = nn.Sequential(second, nn.ReLU() if positive else nn.Identity(), first).double()
    inputs, name = inputs_for(2).double(), "lrp-epsilon-gamma-box"
    seen: list[Tensor] = []
    first.register_forward_pre_hook(lambda _m, given: _kept(given[0], seen))
    explain(network, inputs, name, 1, parameters={name: {"gamma": gamma}})
    found = seen[0]
    with torch.no_grad():
        middle = network[1](second(inputs))
    matrix, bias = as_matrix(first, middle.shape)
    for row, x in enumerate(middle):
        out = matrix @ x.flatten() + bias
        parts = first.head.weight[1].detach() * out
        relevance = parts / away_from_zero(parts.sum()) * parts.sum()
        more = 1 + gamma * ((matrix * x.flatten()).sign() == out.sign()[:, None])
        weighed = matrix * x.flatten() * more
        total = weighed.sum(1) + bias * (1 + gamma * (bias.sign() == out.sign()))
        expected = (weighed * (relevance / away_from_zero(total))[:, None]).sum(0).reshape(x.shape)
        assert torch.allclose(found[row], expected, rtol=1e-6, atol=1e-8 * float(expected.abs().max()))


def _kept(given: Tensor, seen: list[Tensor]) -> None:
    if given.requires_grad:
        given.register_hook(seen.append)


def test_flat_and_box_at_the_image_by_hand() -> None:
    """One pixel row, one filter without overlap: relevance 6 and 15 at two outputs."""
    network = nn.Sequential(nn.Conv1d(1, 1, 2, stride=2), nn.Flatten(), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[[2.0, -1.0]]]))
        network[0].bias.fill_(4.0)
        network[2].weight.copy_(torch.tensor([[1.0, 3.0]]))
    inputs = torch.tensor([[[2.0, 2.0, 1.0, 1.0]]], dtype=torch.float64)  # outputs 6 and 5
    flat = explain(network, inputs, "lrp-epsilon-plus-flat", 0)["lrp-epsilon-plus-flat"]
    assert torch.allclose(flat.signed.flatten(), torch.tensor([3.0, 3.0, 7.5, 7.5]), atol=1e-4)
    assert float(flat.score) == 21
    box = explain(network, inputs, "lrp-epsilon-gamma-box", 0, input_range=(0.0, 4.0))["lrp-epsilon-gamma-box"]
    # x w - low w+ - high w-: 4 and -2 + 4 share 6; 2 and -1 + 4 share 15.
    assert torch.allclose(box.signed.flatten(), torch.tensor([4.0, 2.0, 6.0, 9.0]), atol=1e-4)


class Normalising(nn.Module):
    """Takes the image's mean and spread out, in place or not, and turns it round, before its only layer."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 2)
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        if self.in_place:
            x.sub_(0.5).div_(-0.25)
        else:
            x = (x - 0.5) / -0.25
        return self.layer(torch.cat([part.flip(-1) for part in x.chunk(2, -1)], -1).flatten(1))


@pytest.mark.parametrize("in_place", [True, False])
def test_bounds_follow_the_image_through_what_the_network_does_before_its_first_layer(in_place: bool) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = Normalising(in_place).double()
    inputs = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    low, high = torch.rand(1, 1, 3, 4) * -1, 1 + torch.rand(1, 1, 3, 4)
    name = "lrp-epsilon-gamma-box"
    found = explain(network, inputs, name, 1, input_range=(low, high))[name].signed

    def order(x: Tensor) -> Tensor:
        return torch.cat([x[..., :2].flip(-1), x[..., 2:].flip(-1)], -1).flatten(1)

    weight = network.layer.weight[1].detach()
    x, small, large = (order((v.double() - 0.5) / -0.25) for v in (inputs, high, low))
    boxed = x * weight - small * weight.clamp(min=0) - large * weight.clamp(max=0)
    with torch.no_grad():
        score = network(inputs.clone())[:, 1:]
    shares = score * boxed / (boxed.sum(1, keepdim=True) + EPSILON)
    expected = order(shares.reshape(inputs.shape)).reshape(inputs.shape)  # turned back
    assert torch.allclose(found, expected.float(), atol=1e-5)


def test_the_range_is_each_channel_s_own_unless_given_and_the_notes_say_which() -> None:
    network, inputs, name = make("plain", 2).double(), inputs_for(2, 5).double(), "lrp-epsilon-gamma-box"
    low, high = (getattr(inputs, end)((2, 3), keepdim=True) for end in ("amin", "amax"))
    own = explain(network, inputs, name, 1, batch_size=2)[name]
    given = explain(network, inputs, name, 1, input_range=(low, high), batch_size=3)[name]
    wide = explain(network, inputs, name, 1, input_range=(-9.0, 9.0))[name]
    assert torch.allclose(own.signed, given.signed, atol=1e-6)
    assert (own.signed - wide.signed).abs().max() > 0.01 * own.signed.abs().max()
    assert any("own smallest and largest" in note for note in own.provenance.notes)
    assert any("as given" in note for note in given.provenance.notes)
    plain = explain(network, inputs, "lrp-epsilon-plus", 1)["lrp-epsilon-plus"]
    assert not any("possible at the input" in note for note in plain.provenance.notes)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [((1.0, -1.0), "above its largest"), ((0.0, float("inf")), "finite"), ((torch.zeros(7), 1.0), "do not fit")],
)
def test_a_range_that_is_none_is_refused(bounds: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        explain(make("plain", 2), inputs_for(2), "lrp-epsilon-gamma-box", 0, input_range=bounds)


def test_the_epsilon_parameter_reaches_the_linear_layers() -> None:
    network, inputs, name = make("plain", 2).double(), inputs_for(2).double(), "lrp-epsilon-plus"
    plain = explain(network, inputs, name, 1)[name]
    damped = explain(network, inputs, name, 1, parameters={name: {"epsilon": 5.0}})[name]
    factor = plain.score.abs() / (plain.score.abs() + 5.0)  # one linear layer: one factor for each sample
    expected = plain.signed * factor.reshape(-1, 1, 1, 1)
    assert torch.allclose(damped.signed, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()))


def test_excitation_of_a_negated_logit_sums_to_minus_one() -> None:
    network, inputs, name = without_biases(2), inputs_for(2).double(), "excitation-backprop"
    found = explain(network, inputs, name, ScoreTarget("healthy", 1, sign=-1.0))[name]
    assert torch.allclose(found.signed.flatten(1).sum(1), torch.tensor(-1.0), rtol=1e-3)
    assert found.validity.badge == "verified"


def test_excitation_loses_to_biases_what_the_residual_says() -> None:
    result = explain(make("plain", 2).double(), inputs_for(2).double(), "excitation-backprop", 1)["excitation-backprop"]
    lost = result.signed.flatten(1).sum(1) - 1
    assert result.residual is not None
    assert torch.allclose(result.residual, lost, atol=1e-5)
    assert bool((lost < -0.05).all())
    assert result.validity.badge == "approximate"
