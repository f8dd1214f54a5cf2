"""Class activation maps without a graph: equal to those with one, and given up where a replay would be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from formulas import top
from torch import Tensor, nn
from torch.nn import functional

from saliency_viewer.attribution import explain, point
from saliency_viewer.attribution.recording import NotReplayable

CAMS = ("grad-cam", "layer-cam", "hires-cam")


def with_and_without_graph(network: nn.Module, x: Tensor, layer: str | None) -> tuple[Any, Any]:
    """Asking for the gradient too makes the engine keep a graph."""
    without = explain(network, x, CAMS, 1, layer=layer)
    with_graph = explain(network, x, [*CAMS, "gradient"], 1, layer=layer)
    return without, with_graph


def assert_equal_maps(without: Any, with_graph: Any) -> None:
    for key in CAMS:
        found, expected = without[key], with_graph[key]
        assert found.layer == expected.layer
        assert found.layer_values.shape == expected.layer_values.shape
        assert top(with_graph["hires-cam"].layer_values) > 0
        torch.testing.assert_close(
            found.layer_values, expected.layer_values, rtol=0, atol=1e-6 * top(expected.layer_values)
        )
        torch.testing.assert_close(found.score, expected.score)


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each pass at the point was served by a replay."""
    seen: list[bool] = []
    original = point._layer_only

    def counted(*args: Any) -> Any:
        try:
            found = original(*args)
        except NotReplayable:
            seen.append(False)
            raise
        seen.append(True)
        return found

    monkeypatch.setattr(point, "_layer_only", counted)
    return seen


def test_maps_equal_those_of_the_graph(case: tuple[nn.Module, Tensor], replays: list[bool]) -> None:
    network, x = case
    network.double()
    assert_equal_maps(*with_and_without_graph(network, x.double(), None))
    assert replays == [True]


def test_maps_of_named_layers_equal_those_of_the_graph(case: tuple[nn.Module, Tensor], replays: list[bool]) -> None:
    network, x = case
    network.double()
    names: list[str] = []

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == x.ndim and output[0, 0].numel() > 1:
                names.append(name)

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules() if name]
    network(x.double())
    for handle in handles:
        handle.remove()
    assert names
    for name in dict.fromkeys(names):
        assert_equal_maps(*with_and_without_graph(network, x.double(), name))
    assert all(replays)


class Tailed(nn.Module):
    """A convolution and a rectifier behind which ``end`` does something odd; then mean and linear."""

    def __init__(self, end: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.head, self.end = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(4, 3), end

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.end(functional.relu(self.conv(x))).mean((2, 3)))
        return out


def into_a_buffer(maps: Tensor) -> Tensor:
    """Writes the maps into a larger tensor that does not come from them."""
    larger = torch.zeros(*maps.shape[:2], maps.shape[2] + 2, maps.shape[3] + 2, dtype=maps.dtype)
    larger[:, :, 1:-1, 1:-1] = maps
    return larger


def by_copy(maps: Tensor) -> Tensor:
    return torch.ones_like(maps).copy_(maps)


def by_out(maps: Tensor) -> Tensor:
    if torch.is_grad_enabled():  # autograd allows no ``out``
        return maps * 2
    return torch.mul(maps, 2, out=torch.empty_like(maps))


def through_a_view(maps: Tensor) -> Tensor:
    """Squares one channel of the maps through a view of them."""
    changed = maps * 1.5
    changed.view_as(changed)[:, 0].pow_(2)
    return changed


def by_assignment(maps: Tensor) -> Tensor:
    changed = maps * 1.5
    changed[:, 1] = maps[:, 2] ** 2
    return changed


def added_to_a_constant(maps: Tensor) -> Tensor:
    total = torch.ones_like(maps)
    total += maps**2
    return total


def kept_for_later(maps: Tensor) -> Tensor:
    """A list that is changed between, as in dense blocks."""
    found = [maps, maps * 2]
    joined = torch.cat(found, 1)
    found.append(maps)
    return joined[:, :4] * joined[:, 4:]


ENDS = (into_a_buffer, by_copy, by_out, through_a_view, by_assignment, added_to_a_constant, kept_for_later)


@pytest.mark.parametrize("layer", [None, "conv"])
@pytest.mark.parametrize("end", ENDS)
def test_writing_into_other_tensors_gives_the_graph_s_map(end: Callable[[Tensor], Tensor], layer: str | None) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, x = Tailed(end).double().eval(), torch.randn(2, 2, 7, 6, dtype=torch.float64)
    without, with_graph = with_and_without_graph(network, x, layer)
    assert_equal_maps(without, with_graph)


@pytest.mark.parametrize("end", ENDS)
def test_channels_are_ablated_rightly_or_not_at_all(end: Callable[[Tensor], Tensor]) -> None:
    """At the convolution, whose later copies are what the rest of the network sees."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, x = Tailed(end).double().eval(), torch.randn(1, 2, 7, 6, dtype=torch.float64)
    results = explain(network, x, "ablation-cam", 1, layer="conv", skip_undefined=True)
    if "ablation-cam" not in results:
        assert "cannot be run on their own" in results.undefined["ablation-cam"].message
        return
    with torch.no_grad():
        maps = network.conv(x)
        score = network(x)[0, 1]
        expected = torch.zeros_like(maps[0, 0])
        for channel in range(4):
            left = maps.clone()
            left[:, channel] = 0
            changed = network.head(end(torch.relu(left)).mean((2, 3)))[0, 1]
            expected += (score - changed) / score.abs() * maps[0, channel]
    found = results["ablation-cam"].layer_values[0].double()
    assert torch.allclose(found, expected, rtol=0, atol=1e-6 * top(expected))


def test_channels_of_a_layer_that_was_overwritten_through_a_view_are_not_ablated() -> None:
    """A replay would square the channel again."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, x = Tailed(through_a_view).double().eval(), 3 * torch.randn(1, 2, 7, 6, dtype=torch.float64)
    results = explain(network, x, "ablation-cam", 1, skip_undefined=True)
    assert "cannot be run on their own" in results.undefined["ablation-cam"].message
