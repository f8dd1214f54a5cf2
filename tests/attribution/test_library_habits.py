"""Habits of public model libraries in small: masked writes at the end, helper heads, shuffled definitions."""

from __future__ import annotations

import copy

import pytest
import torch
from small_networks import Plain, inputs_for, make
from torch import Tensor, nn

from saliency_viewer.attribution import explain


class OperatingPoints(Plain):
    """Ends as torchxrayvision's networks do: probabilities scaled piecewise, written into a constant by masks."""

    points = torch.tensor([0.45, 0.5, 0.55])

    def probabilities(self, x: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(x))

    def forward(self, x: Tensor) -> Tensor:
        p = self.probabilities(x)
        points = self.points.to(p.dtype).expand_as(p)
        scaled = torch.zeros_like(p) + 0.5
        low, high = p < points, ~(p < points)
        scaled[low] = p[low] / (points[low] * 2)
        scaled[high] = 1.0 - (1.0 - p[high]) / ((1 - points[high]) * 2)
        return scaled


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_channels_can_be_ablated_before_masked_writes(axes: int) -> None:
    torch.manual_seed(3)
    network, inputs = OperatingPoints(axes).double().eval(), inputs_for(axes).double()
    # A point next to the score, so that some channel's absence moves it to the other side.
    network.points = network.probabilities(inputs)[0].detach() + torch.tensor([-1e-6, 1e-6, -1e-6])
    found = explain(network, inputs, "ablation-cam", 1)["ablation-cam"].layer_values
    crossed = 0
    maps, whole = network.features(inputs).detach(), network(inputs)[:, 1].detach()
    weights = []
    for channel in range(maps.shape[1]):
        handle = network.features.register_forward_hook(lambda _m, _i, out, k=channel: without(out, k))
        with torch.no_grad():
            changed = network(inputs)[:, 1]
        handle.remove()
        crossed += int((changed[0] < 0.5) != (whole[0] < 0.5))
        weights.append((whole - changed) / whole.abs())
    assert crossed > 0
    expected = torch.einsum("kn,nk...->n...", torch.stack(weights), maps)
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))


def without(maps: Tensor, channel: int) -> Tensor:
    changed = maps.clone()
    changed[:, channel] = 0
    return changed


def test_masked_writes_may_not_change_what_was_recorded() -> None:
    torch.manual_seed(3)
    network, inputs = OperatingPoints(2).eval(), inputs_for(2)
    first, second = (explain(network, inputs, ["grad-cam", "ablation-cam", "layer-deep-lift"], 1) for _ in range(2))
    for key in first:
        assert torch.equal(first[key].signed, second[key].signed)
    assert torch.equal(first["grad-cam"].score, network(inputs)[:, 1].detach())


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_layer_contributions_are_summed_on_the_layer_s_own_grid(axes: int) -> None:
    network, inputs = make("residual", axes).double(), inputs_for(axes).double()
    result = explain(network, inputs, "layer-deep-lift", 1)["layer-deep-lift"]
    assert result.layer_values.shape[1:] != result.signed.shape[2:]  # what is shown is larger, and sums to more
    assert float(result.residual.abs().max()) < 1e-5
    assert result.validity.badge == "verified"


def test_excitation_is_held_to_one_however_large_the_scores() -> None:
    network, inputs = make("plain", 2), inputs_for(2)
    loud = copy.deepcopy(network)
    loud.head.weight.data *= 1e4
    loud.head.bias.data *= 1e4
    quiet, found = (explain(n, inputs, "excitation-backprop", 1)["excitation-backprop"] for n in (network, loud))
    assert torch.allclose(found.residual, quiet.residual, atol=1e-4)
    assert "residual" in found.validity.text


class Branched(nn.Module):
    """Two layers with biases in the order of definition, or in the other; a helper head that never runs if asked."""

    def __init__(self, turned: bool, helper: bool) -> None:
        super().__init__()
        names = ["first", "second"]
        layers = {"first": nn.Conv2d(2, 4, 3, padding=1), "second": nn.Conv2d(4, 4, 3, padding=1)}
        if helper:
            self.helper = nn.Conv2d(4, 9, 1)
        for name in reversed(names) if turned else names:
            self.add_module(name, layers[name])
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize(("turned", "helper"), [(True, False), (False, True), (True, True)])
def test_full_grad_pairs_biases_with_the_gradients_of_their_own_layers(turned: bool, helper: bool) -> None:
    torch.manual_seed(0)
    plain, inputs = Branched(False, False), inputs_for(2)
    other = Branched(turned, helper)
    other.load_state_dict(plain.state_dict(), strict=False)
    expected, found = (explain(n, inputs, "full-grad", 1)["full-grad"] for n in (plain, other))
    assert torch.equal(found.signed, expected.signed)
    assert found.validity.badge == "verified"


def test_full_grad_says_which_biases_the_library_leaves_out() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
    found = explain(network, inputs_for(2), "full-grad", 1)["full-grad"].validity
    assert found.badge == "approximate"
    assert found.text == "the library leaves out biases of 1 layers and implicit biases of group_norm, silu"


@pytest.mark.parametrize(
    ("activation", "method", "words"),
    [
        (nn.ReLU(), "guided-backprop", ""),
        (nn.ReLU6(), "guided-backprop", "relu6 treated like ReLU"),
        (nn.LeakyReLU(0.1), "deconvnet", "leaky_relu treated like ReLU"),
        (nn.ReLU6(), "lrp-epsilon-plus", ""),
        (nn.SiLU(), "lrp-epsilon-plus", "silu passed over"),
        (nn.Hardswish(), "excitation-backprop", "hardswish by its gradient"),
    ],
)
def test_results_say_how_a_rule_was_extended(activation: nn.Module, method: str, words: str) -> None:
    torch.manual_seed(0)
    network = Plain(2)
    network.features[1] = activation
    text = explain(network, inputs_for(2), method, 0)[method].validity.text
    assert words in text
    assert bool(words) == any(said in text for said in ("treated like", "passed over", "by its gradient"))
