"""Frozen convolutions and folded batch normalisation: the same numbers as autograd's, on networks of every habit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from formulas import top
from small_networks import inputs_for, make
from torch import Tensor, nn
from torch.nn import functional

from saliency_viewer.attribution import explain
from saliency_viewer.attribution.geometry import Geometry
from saliency_viewer.attribution.lean import Folds, LeanOperators, Observer
from saliency_viewer.attribution.lean.input_gradients import Mirrored, Phases
from saliency_viewer.attribution.lean.operators import _Prepared
from saliency_viewer.attribution.network_state import Inventory, borrowed
from saliency_viewer.attribution.operators import OperatorMode
from saliency_viewer.attribution.passes import Passes, single
from saliency_viewer.attribution.score import Score

CONV = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
SIDES = {1: (17,), 2: (14, 11), 3: (8, 9, 7)}
# Kernel, stride, padding, dilation, groups, channels in, channels out: each axis gets them turned by one place.
GRID = [
    *itertools.product([1, 2, 3, 4, 7], [1, 2, 3], [0, 1, 3], [1], [1], [1, 3], [4]),
    *itertools.product([2, 3, 5], [1, 2, 3], [0, 2], [2, 3], [1], [2], [3]),
    *itertools.product([1, 3, 4], [1, 2], [0, 1], [1, 2], [2], [6], [4]),
    *itertools.product([3], [1, 2, 3], [1], [1], [6], [6], [6]),
]


def geometries(axes: int) -> list[tuple[Any, ...]]:
    """Those of the grid whose kernel fits into the smallest side."""
    fitting = [g for g in GRID if g[3] * (g[0] - 1) + 1 <= min(SIDES[axes]) + 2 * g[2]]
    return fitting if axes < 3 else fitting[::3]  # the third dimension brings no new case, only time


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gradients_of_every_convolution_equal_autograd_s(axes: int) -> None:
    generator = torch.Generator().manual_seed(0)
    ways = set()
    for kernel, stride, padding, dilation, groups, channels, out in geometries(axes):
        x = torch.randn(2, channels, *SIDES[axes], generator=generator, dtype=torch.float64)
        weight = nn.Parameter(
            torch.randn(out, channels // groups, *[kernel] * axes, generator=generator, dtype=torch.float64),
            requires_grad=False,
        )
        options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        ways.add(assert_same_convolution(axes, x, weight, options))
    assert ways == {Mirrored, Phases, "library"}


def assert_same_convolution(axes: int, x: Tensor, weight: Tensor, options: dict[str, Any]) -> Any:
    """Value and gradient with and without lean operators; gives the way that the gradient took."""
    expected_leaf, leaf = x.clone().requires_grad_(), x.clone().requires_grad_()
    expected = CONV[axes](expected_leaf, weight, None, **options)
    start = torch.linspace(-1, 2, expected.numel(), dtype=torch.float64).reshape(expected.shape)
    (slope,) = torch.autograd.grad(expected, expected_leaf, start)
    operators = LeanOperators(Folds())
    with mode(operators):
        found = CONV[axes](leaf, weight, None, **options)
    (lean,) = torch.autograd.grad(found, leaf, start)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12 * (1 + top(expected.detach()))), options
    assert lean.shape == slope.shape
    assert torch.allclose(lean, slope, rtol=0, atol=1e-12 * (1 + top(slope))), (options, tuple(weight.shape))
    (prepared,) = operators._prepared.values()
    assert isinstance(prepared, _Prepared)
    return type(prepared.backward) if isinstance(prepared.backward, (Mirrored, Phases)) else "library"


def mode(handle: Any) -> Any:
    return OperatorMode(lambda: None, handle)


@pytest.mark.parametrize("sides", [(13, 16), (12, 12), (7, 20)])
@pytest.mark.parametrize("stride", [(1, 2), (3, 1), (2, 3)])
def test_gradients_of_unequal_axes_equal_autograd_s(sides: tuple[int, ...], stride: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    for kernel, padding in (((3, 4), (1, 0)), ((5, 2), (0, 3)), ((1, 7), (2, 3))):
        x = torch.randn(2, 3, *sides, generator=generator, dtype=torch.float64)
        weight = nn.Parameter(torch.randn(4, 3, *kernel, generator=generator, dtype=torch.float64), requires_grad=False)
        assert_same_convolution(2, x, weight, {"stride": stride, "padding": padding})


def test_phases_alone_equal_the_library_for_any_number_of_channels() -> None:
    """The choice between the two is one of speed."""
    generator = torch.Generator().manual_seed(2)
    for kernel, stride, padding, side in itertools.product([1, 2, 3, 6], [2, 3, 4], [0, 1, 2], [9, 10, 11]):
        weight = torch.randn(5, 6, kernel, generator=generator, dtype=torch.float64)
        geometry = Geometry((stride,), (padding,), (1,), 1)
        shape = torch.Size((2, 6, side))
        out = geometry.forward(torch.zeros(shape, dtype=torch.float64), weight, None)
        gradient = torch.randn(out.shape, generator=generator, dtype=torch.float64)
        phases = Phases.of(weight, geometry)
        assert phases is not None
        expected = geometry.backward(gradient, weight, shape)
        assert torch.allclose(phases(gradient, shape), expected, rtol=0, atol=1e-12), (kernel, stride, padding, side)


def test_single_passes_over_volumes_waste_nothing_and_change_nothing() -> None:
    for name in ("plain", "residual", "functional"):
        network, x = make(name, 3).double(), inputs_for(3).double()
        leaf = x.clone().requires_grad_()
        (expected,) = torch.autograd.grad(network(leaf)[:, 1].sum(), leaf)
        found = explain(network, x, ["gradient", "grad-cam"], 1)
        assert torch.allclose(found["gradient"].signed.double(), expected, rtol=0, atol=1e-6 * top(expected))
        assert single(x) is not None
        assert single(x[..., 0]) is None


# --- folding ------------------------------------------------------------------------------------------------------


class Folding(nn.Module):
    """Two convolutions with a batch normalisation each, joined by ``body``; rectifiers are in place."""

    def __init__(self, body: Callable[[Folding, Tensor], Tensor], bias: bool = True) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(n, 4, 3, padding=1, bias=bias) for n in (2, 4))
        self.norm, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.relu, self.head, self.body = nn.ReLU(inplace=True), nn.Linear(4, 3), body

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(self, x).mean((2, 3)))
        return out


def usual(net: Folding, x: Tensor) -> Tensor:
    return net.relu(net.other(net.second(net.relu(net.norm(net.first(x))))))


def used_twice(net: Folding, x: Tensor) -> Tensor:
    found = net.first(x)
    return net.relu(net.norm(found)) + found


def changed_between(net: Folding, x: Tensor) -> Tensor:
    found = net.first(x)
    found += 1.0
    return net.relu(net.norm(found))


def changed_through_a_view(net: Folding, x: Tensor) -> Tensor:
    found = net.first(x)
    found[:, 0].mul_(3.0)
    return net.relu(net.norm(found))


def shared_norm(net: Folding, x: Tensor) -> Tensor:
    return net.relu(net.norm(net.second(net.relu(net.norm(net.first(x))))))


def shared_convolution(net: Folding, x: Tensor) -> Tensor:
    once = net.relu(net.norm(net.second(net.relu(net.first(x)))))
    return net.relu(net.other(net.second(once)))


def shared_without_norm(net: Folding, x: Tensor) -> Tensor:
    return net.second(net.relu(net.norm(net.second(net.relu(net.first(x))))))


def one_convolution_two_norms(net: Folding, x: Tensor) -> Tensor:
    found = net.first(x)
    return net.relu(net.norm(found)) + net.relu(net.other(found))


def weights_elsewhere(net: Folding, x: Tensor) -> Tensor:
    """The convolution's weight is also a number that the network reads."""
    return net.relu(net.norm(net.first(x))) * net.first.weight.abs().mean()


# Body, and how many normalisations may be folded.
BODIES: dict[str, tuple[Callable[[Folding, Tensor], Tensor], int]] = {
    "usual": (usual, 2),
    "used twice": (used_twice, 0),
    "changed between": (changed_between, 0),
    "changed through a view": (changed_through_a_view, 0),
    "shared norm": (shared_norm, 0),
    "shared convolution": (shared_convolution, 0),
    "shared without norm": (shared_without_norm, 0),
    "one convolution, two norms": (one_convolution_two_norms, 0),
    "weights elsewhere": (weights_elsewhere, 1),
}


def folding(name: str, bias: bool = True) -> tuple[Folding, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = Folding(BODIES[name][0], bias).double()
        for norm in (network.norm, network.other):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.3)
        with torch.no_grad():
            for _ in range(5):
                network.train()(torch.randn(8, 2, 9, 8, dtype=torch.float64))
        return network, torch.randn(2, 2, 9, 8, dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", BODIES)
def test_folded_networks_give_the_same_logits_and_gradients(name: str, bias: bool) -> None:
    network, x = folding(name, bias)  # in train mode, as a careless caller leaves it
    with borrowed(Inventory.of(network)):
        expected = network(x)
        observer = Observer()
        passes = Passes(network, Inventory.of(network), Score.of(1, 2), lambda: None)
        with passes.mode(watch=observer.watch):
            network(x)
        folds = observer.folds()
        assert len(folds.skipped) == len(folds.weights) == BODIES[name][1]
        with passes.mode(LeanOperators(folds)):
            assert torch.allclose(network(x), expected, rtol=0, atol=1e-12)
        plain = passes.gradient(x, [0, 1])
        passes.survey(x[:1], leaner=True)
        assert passes.lean is not None
        assert torch.allclose(passes.gradient(x, [0, 1]), plain, rtol=0, atol=1e-12)
        assert torch.allclose(passes.forward(x, [0, 1])[1], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", BODIES)
def test_streams_through_a_faster_form_give_the_map_of_the_plain_form(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, x = folding(name)
    wishes = {"integrated-gradients": {"steps": 9}, "smooth-grad": {"samples": 6}, "rise": {"samples": 8}}
    lean = explain(network, x, list(wishes), 1, parameters=wishes)
    original = Passes.survey

    def without(self: Passes, inputs: Tensor, leaner: bool) -> Any:
        found = original(self, inputs, leaner=leaner)
        self.lean = None
        return found

    monkeypatch.setattr(Passes, "survey", without)
    plain = explain(network, x, list(wishes), 1, parameters=wishes)
    for key in wishes:
        assert torch.allclose(lean[key].signed, plain[key].signed, rtol=1e-6, atol=1e-7 * top(plain[key].signed)), key


class Standardised(nn.Module):
    """Weight standardisation: the convolution's weight is computed anew in every pass, and no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.conv.weight - self.conv.weight.mean((1, 2, 3), keepdim=True)
        maps = functional.relu(self.norm(functional.conv2d(x, weight, self.conv.bias)))
        out: Tensor = self.head(maps.mean((2, 3)))
        return out


def test_weights_that_are_computed_are_not_folded() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, x = Standardised().double(), torch.randn(2, 2, 8, 8, dtype=torch.float64)
        network(x)
    with borrowed(Inventory.of(network)):
        observer = Observer()
        passes = Passes(network, Inventory.of(network), Score.of(1, 2), lambda: None)
        with passes.mode(watch=observer.watch):
            expected = network(x)
        assert not observer.folds().skipped
        passes.survey(x[:1], leaner=True)
        assert torch.allclose(passes.forward(x, [0, 1])[1], expected, rtol=0, atol=1e-12)
