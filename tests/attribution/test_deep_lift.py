"""DeepLIFT's rescale rule: exact sums on unmodified networks, hand-worked cases, captum on plain ones, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from captum import attr
from formulas import double_inputs, one, top
from monai.networks.nets import DenseNet, resnet18
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from saliency_viewer.attribution import explain
from saliency_viewer.attribution.undefined import NotDefinedHere
from saliency_viewer.domain import ScoreTarget

pytestmark = pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks:UserWarning")

SQUARE, CUBE = (2, 3, 64, 64), (2, 1, 24, 24, 24)
LARGE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet18": (lambda: models.resnet18(num_classes=5), SQUARE),
    "vgg11_bn": (lambda: narrow(models.vgg11_bn(num_classes=5)), SQUARE),
    "densenet121": (lambda: models.densenet121(num_classes=5), SQUARE),
    "mobilenet_v2": (lambda: models.mobilenet_v2(num_classes=5), SQUARE),
    "efficientnet_b0": (lambda: models.efficientnet_b0(num_classes=5), SQUARE),
    "monai resnet18 3d": (
        lambda: resnet18(spatial_dims=3, n_input_channels=1, num_classes=3, widen_factor=0.25),
        CUBE,
    ),
    "monai densenet 3d": (
        lambda: DenseNet(3, 1, 3, init_features=8, growth_rate=4, block_config=(2, 2, 2)),
        CUBE,
    ),
}


def narrow(network: nn.Module) -> nn.Module:
    """VGG's head has 120 million weights, which prove no more."""
    network.classifier = nn.Sequential(nn.Linear(25088, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 5))
    return network


def calibrated(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = build().train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
            elif isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = None  # the mean of all passes
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(4, *shape[1:]))
        return network.eval(), torch.randn(shape)


@pytest.mark.parametrize("name", LARGE)
def test_contributions_sum_to_the_difference_on_real_networks(name: str) -> None:
    network, x = calibrated(*LARGE[name])
    with torch.no_grad():
        before = network(x)
        baseline = x.flip(0)  # random networks give huge scores to an even image, which they were not calibrated for
        difference = (before - network(baseline))[:, 1]
    found = one(network, x, "deep-lift", 1, baseline=baseline)
    lacking = found.signed.double().flatten(1).sum(1) - difference
    span = before.amax(1) - before.amin(1)
    assert bool((lacking.abs() < 1e-4 * span).all())
    assert top(difference) > 0.01 * float(span.max())
    assert found.validity.badge == "verified"
    assert found.validity.intercepted == found.validity.executed
    with torch.no_grad():
        assert torch.equal(network(x), before)


def test_every_small_network_sums_exactly_or_says_why_not(case: tuple[nn.Module, Tensor]) -> None:
    network, x = case
    network.double()
    results = explain(network, x.double(), "deep-lift", 1, skip_undefined=True)
    attending = type(network).__name__ == "Attending"
    assert ("deep-lift" in results.undefined) == attending
    if attending:
        assert "softmax" in results.undefined["deep-lift"].message or "matmul" in results.undefined["deep-lift"].message
        return
    assert top(results["deep-lift"].residual) < 1e-6


def test_one_hidden_layer_of_rectifiers_is_integrated_gradients() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(6 * 11 * 9, 3))
        x = torch.randn(1, 2, 13, 11, dtype=torch.float64)
    network.double().eval()
    baseline = torch.full_like(x, -1.0)
    exact = one(network, x, "deep-lift", 1, baseline=baseline).signed
    path = one(network, x, "integrated-gradients", 1, baseline=baseline, steps=2000, batch_size=500).signed
    assert top(exact - path) < 5e-4 * top(exact)
    coarse = one(network, x, "integrated-gradients", 1, baseline=baseline, steps=30).signed
    assert top(exact - path) < top(exact - coarse) / 10  # it converges to DeepLIFT


def layers(*modules: nn.Module) -> nn.Module:
    """Such modules in double precision, with fixed weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = nn.Sequential(*modules)
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.4)
    return network.double().eval()


def test_contributions_equal_captum_on_a_plain_network() -> None:
    """Modules of their own for each rectifier, pooling without overlap.

    Where a rectifier and a pooling touch, captum's own sum is wrong, so that convolutions stand between them here.
    """
    network = layers(
        nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 3, padding=1), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 3, 6), nn.Sigmoid(), nn.Linear(6, 3),
    )  # fmt: skip
    x, baseline = double_inputs(samples=2), double_inputs(samples=2, seed=4)
    expected = attr.DeepLift(network).attribute(x.clone().requires_grad_(), baseline, target=1).detach()
    found = one(network, x, "deep-lift", 1, baseline=baseline)
    assert torch.allclose(found.signed.double(), expected, rtol=0, atol=1e-6 * top(expected))


@pytest.mark.parametrize("at", [0, 1, 2, 4, 5])
def test_layer_contributions_equal_captum_on_a_plain_network(at: int) -> None:
    network = layers(
        nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 3, padding=1), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4 * 3, 3),
    )  # fmt: skip
    x, baseline = double_inputs(samples=2), double_inputs(samples=2, seed=4)
    expected = attr.LayerDeepLift(network, network[at]).attribute(x.clone(), baseline, target=1).detach()
    found = one(network, x, "layer-deep-lift", 1, baseline=baseline, layer=str(at))
    assert torch.allclose(found.layer_values.double(), expected.sum(1), rtol=0, atol=1e-6 * top(expected))
    difference = (network(x) - network(baseline))[:, 1].detach()
    assert torch.allclose(found.layer_values.double().flatten(1).sum(1), difference, atol=1e-5)
    assert top(found.residual) < 1e-5


class Pooled(nn.Module):
    """Max pooling with windows of three every one position, straight on the input, then a weighted sum."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = functional.linear(functional.max_pool1d(x, 3, 1).flatten(1), self.weights)
        return out


def test_overlapping_windows_add_up() -> None:
    """By hand: x = 1 5 2 4, baseline 3 0 2 1; windows (1 5 2), (5 2 4) against (3 0 2), (0 2 1).

    The maxima are 5, 5 against 3, 2, so both rise, by 2 and 3, at the winner 5, whose own difference is 5.
    """
    x, baseline = (torch.tensor([[v]], dtype=torch.float64) for v in ([1.0, 5.0, 2.0, 4.0], [3.0, 0.0, 2.0, 1.0]))
    weights = torch.tensor([[1.0, 10.0]], dtype=torch.float64)
    found = one(Pooled(weights), x, "deep-lift", baseline=baseline)
    assert torch.allclose(found.signed[0, 0], torch.tensor([0.0, 2.0 + 30.0, 0.0, 0.0]))
    back = one(Pooled(weights), baseline, "deep-lift", baseline=x)  # now both fall, at the baseline's winner
    assert torch.allclose(back.signed[0, 0], torch.tensor([0.0, -32.0, 0.0, 0.0]))


@pytest.mark.parametrize("pool", [
    lambda x: functional.max_pool2d(x, 3, 2, 1),
    lambda x: functional.max_pool2d(x, (3, 2), stride=1, dilation=2),
    lambda x: functional.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True),
    lambda x: functional.adaptive_max_pool2d(x, (4, 3)),
    lambda x: torch.max_pool2d(x, 2),
])  # fmt: skip
def test_every_max_pooling_sums_exactly(pool: Callable[[Tensor], Tensor]) -> None:
    network = Behind(pool)
    found = one(network, double_inputs(samples=2), "deep-lift", 1, baseline="mean")
    assert top(found.residual) < 1e-6
    assert not torch.equal(found.signed, one(network, double_inputs(samples=2), "input-x-gradient", 1).signed)


class Behind(nn.Module):
    """A convolution with a rectifier, then ``end``, then mean and linear; ``end`` may be any function of the maps."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.conv, self.gate, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)
        self.end = end
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        maps = functional.relu(self.conv(x))
        out: Tensor = self.head(self.end(maps).mean((2, 3)))
        return out


EXACT: dict[str, Callable[[Tensor], Tensor]] = {
    "silu": functional.silu,
    "silu in place": lambda m: functional.silu(m * 1.0, inplace=True),
    "hardswish": functional.hardswish,
    "gelu": functional.gelu,
    "gate of pooled maps": lambda m: m * torch.sigmoid(m.mean((2, 3), keepdim=True)),
    "gate in place": lambda m: (m * 1.0).mul_(functional.hardsigmoid(m.mean((2, 3), keepdim=True))),
    "swish by hand": lambda m: m * m.sigmoid(),
    "softplus and sum": lambda m: functional.softplus(m) + 0.5 * m,
    "constant factor": lambda m: m / 3 - 2 * m.tanh() + 1,
    "square": lambda m: m**2,
    "clamp": lambda m: m.clamp(0.1, 0.4),
    "concatenation": lambda m: torch.cat([m[:, :2].exp(), m[:, 2:].abs()], 1),
    "two products": lambda m: (m * m.tanh()) * m.sigmoid(),
    "in-place sum": lambda m: (m * 1.0).add_(m.tanh()),
}


@pytest.mark.parametrize("name", EXACT)
def test_activations_gates_and_products_sum_exactly(name: str) -> None:
    network = Behind(EXACT[name])
    found = one(network, double_inputs(samples=2), "deep-lift", 1, baseline="mean")
    difference = (network(double_inputs(samples=2)))[:, 1]
    assert top(difference.detach()) > 0
    assert top(found.residual) < 1e-5


def test_sharing_a_rectifier_changes_nothing() -> None:
    shared = nn.ReLU(inplace=True)
    parts = (nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4 * 9 * 7, 3))
    own = layers(parts[0], nn.ReLU(), parts[1], nn.ReLU(), nn.Flatten(), parts[2])
    same = nn.Sequential(parts[0], shared, parts[1], shared, nn.Flatten(), parts[2])
    x = double_inputs(samples=2)
    assert torch.equal(one(own, x, "deep-lift", 1).signed, one(same, x, "deep-lift", 1).signed)


class Branching(nn.Module):
    """Another way for bright images; ``kind`` says how the ways differ."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.one, self.two, self.head = nn.Conv2d(2, 4, 3), nn.Conv2d(2, 4, 3), nn.Linear(4, 3)
        self.kind = kind
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        bright = float(x.detach().mean()) > 0
        if self.kind == "another activation":
            maps = torch.tanh(self.one(x)) if bright else torch.relu(self.one(x))
        elif self.kind == "another convolution":
            maps = torch.relu((self.one if bright else self.two)(x))
        elif self.kind == "one more activation":
            maps = torch.relu(self.one(x))
            maps = torch.tanh(maps) if bright else maps
        else:
            maps = torch.relu(self.one(x))
            maps = maps if bright else torch.tanh(maps)
        out: Tensor = self.head(maps.mean((2, 3)))
        return out


@pytest.mark.parametrize(
    "kind", ["another activation", "another convolution", "one more activation", "one less activation"]
)
@pytest.mark.parametrize("key", ["deep-lift", "layer-deep-lift"])
def test_a_way_that_depends_on_the_image_is_refused(kind: str, key: str) -> None:
    x = double_inputs().abs()
    with pytest.raises(NotDefinedHere, match="depends on the image"):
        one(Branching(kind), x, key, 1, baseline=-x)


def test_a_mask_that_is_hidden_from_the_graph_is_refused() -> None:
    """Its difference from the baseline's has no multiplier."""
    network = Behind(lambda m: m * (m.detach() > 0.3).to(m))
    with pytest.raises(NotDefinedHere, match="DeepLIFT is not defined"):
        one(network, double_inputs(), "deep-lift", 1)


REFUSED: dict[str, Any] = {
    "attention": lambda m: m * torch.softmax(m.flatten(2), -1).reshape(m.shape),
    "layer norm": lambda m: functional.layer_norm(m, m.shape[1:]),
    "group norm": lambda m: functional.group_norm(m, 2),
    "quotient": lambda m: m / (m + 2),
    "quotient of a constant": lambda m: 1 / (m + 2),
    "matrix product": lambda m: m @ m.transpose(2, 3),
    "sorting": lambda m: m.sort(-1).values,
}


@pytest.mark.parametrize("name", REFUSED)
def test_operators_without_a_multiplier_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(NotDefinedHere, match="DeepLIFT is not defined") as refusal:
        one(Behind(REFUSED[name]), double_inputs(), "deep-lift", 1)
    assert "integrated gradients" in refusal.value.hint


def test_real_attention_is_refused() -> None:
    network = models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=3
    ).eval()
    with pytest.raises(NotDefinedHere, match="DeepLIFT is not defined"):
        one(network, torch.randn(1, 3, 32, 32), "deep-lift", 1)


def test_the_log_odds_of_a_probability_sum_exactly() -> None:
    network = layers(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 11 * 9, 1), nn.Sigmoid())
    with torch.no_grad():
        network[3].weight.mul_(0.02)
    target = ScoreTarget("ill", 0, log_odds=True)
    found = explain(network, double_inputs(samples=2), "deep-lift", target)["deep-lift"]
    assert top(found.residual) < 1e-6
