"""Later passes through a known network are watched from a landmark on, and give what the first one gave."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from typing import Any

import pytest
import torch
from small_networks import CHANNELS, NETWORKS, inputs_for, make
from torch import Tensor, nn
from torchvision import models

from saliency_viewer.attribution import explain
from saliency_viewer.attribution.landmarks import recall
from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.target_layer import LayerWatch

ALONE, WITH_GRAPH = ("grad-cam", "layer-cam"), ("gradient", "grad-cam")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the operators that were seen by a watch for the layer."""
    names: list[str] = []
    original = LayerWatch.watch

    def watch(self: LayerWatch, call: Call, result: Any) -> None:
        names.append(call.name)
        original(self, call, result)

    monkeypatch.setattr(LayerWatch, "watch", watch)
    return names


def assert_equal(one: Any, other: Any) -> None:
    for key in one:
        assert torch.equal(one[key].signed, other[key].signed), key
        assert one[key].layer == other[key].layer, key


CASES = [(1, ALONE), (1, WITH_GRAPH), (2, ALONE), (2, WITH_GRAPH), (3, ALONE)]  # volumes have their operators handled


@pytest.mark.parametrize(("axes", "methods"), CASES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_pass_gives_what_the_first_one_gave(
    name: str, axes: int, methods: tuple[str, ...], watched: list[str]
) -> None:
    network, x = make(name, axes), inputs_for(axes)
    first = explain(network, x, methods, 0)
    seen = len(watched)
    for _ in range(2):
        watched.clear()
        assert_equal(first, explain(network, x, methods, 0))
        assert len(watched) < seen


@pytest.mark.parametrize("methods", [ALONE, WITH_GRAPH], ids=["alone", "with a graph"])
def test_named_layers_are_followed_by_name_the_second_time_too(methods: tuple[str, ...], watched: list[str]) -> None:
    network, x = make("plain", 2), inputs_for(2)
    first, seen = explain(network, x, methods, 1, layer="features.1"), len(watched)
    watched.clear()
    assert_equal(first, explain(network, x, methods, 1, layer="features.1"))
    assert len(watched) < seen
    assert_equal(first, explain(network, x, methods, 1, layer="features.1", cancel=lambda: False))


@pytest.mark.parametrize(
    "make_known", [models.densenet121, models.resnet50, models.mobilenet_v2, models.efficientnet_b0]
)
def test_known_networks_are_watched_at_their_end_only(make_known: Any, watched: list[str]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network, x = make_known(weights=None).eval(), torch.randn(1, 3, 96, 96)
    for methods in (ALONE, WITH_GRAPH):
        watched.clear()
        first = explain(network, x, methods, 1)
        seen = len(watched)
        watched.clear()
        assert_equal(first, explain(network, x, methods, 1))
        assert len(watched) < 10 < seen


def test_whoever_may_stop_a_run_has_every_operator_polled(watched: list[str]) -> None:
    network, x = make("plain", 2), inputs_for(2)
    explain(network, x, ALONE, 1)
    seen = len(watched)
    watched.clear()
    explain(network, x, ALONE, 1, cancel=lambda: False)
    assert len(watched) == seen


class Turning(nn.Module):
    """Takes another way through its layers whenever it is told to."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.first, self.second = nn.Conv2d(CHANNELS, 4, 3), nn.Conv2d(4, 4, 3)
            self.norm, self.head = nn.GroupNorm(2, 4), nn.Linear(4, 3)
        self.way = "usual"

    def forward(self, x: Tensor) -> Tensor:
        maps = self.norm(self.first(x))
        if self.way == "longer":
            maps = torch.relu(self.second(torch.relu(maps)))
        elif self.way == "twice":
            maps = self.norm(maps).tanh()
        elif self.way == "one operator more":
            maps = torch.tanh(torch.relu(maps))
        elif self.way == "without the landmark":
            maps = torch.relu(self.first(x))
        elif self.way == "in a mode of its own":
            with torch.device("cpu"):
                maps = self.norm(self.first(x))
            maps = torch.relu(maps)
        elif self.way == "in a mode around the landmark":
            with torch.device("cpu"):
                maps = torch.relu(self.norm(self.first(x)))
        else:
            maps = torch.relu(maps)
        found: Tensor = self.head(maps.mean((2, 3)))
        return found


WAYS = ("longer", "twice", "one operator more", "without the landmark", "in a mode of its own")


@pytest.mark.parametrize("layer", [None, "norm"])
@pytest.mark.parametrize("methods", [ALONE, WITH_GRAPH], ids=["alone", "with a graph"])
@pytest.mark.parametrize("way", [*WAYS, "in a mode around the landmark"])
def test_a_network_that_takes_another_way_is_watched_anew(
    way: str, methods: tuple[str, ...], layer: str | None
) -> None:
    fresh, known, x = Turning(), Turning(), inputs_for(2)
    explain(known, x, methods, 1, layer=layer)
    for now in (way, "usual", way, way):
        fresh.way = known.way = now
        expected = explain(fresh, x, methods, 1, layer=layer, cancel=lambda: False)
        assert_equal(expected, explain(known, x, methods, 1, layer=layer))


def test_a_landmark_that_was_taken_out_of_the_network_is_forgotten() -> None:
    network, x = make("plain", 2), inputs_for(2)
    explain(network, x, ALONE, 1)
    network.features = nn.Sequential(*list(network.features)[:2])
    network.head = nn.Linear(5, 3)
    assert_equal(explain(copy.deepcopy(network), x, ALONE, 1), explain(network, x, ALONE, 1))


def test_other_threads_run_through_a_sleeping_watch_untouched() -> None:
    class Waiting(nn.Module):
        """Lets another thread run the same network while it is itself in the middle of a pass."""

        def __init__(self) -> None:
            super().__init__()
            self.inner, self.other = make("plain", 2), None

        def forward(self, x: Tensor) -> Tensor:
            if self.other is not None:
                work, self.other = self.other, None
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
            found: Tensor = self.inner(x)
            return found

    network, x, seen = Waiting(), inputs_for(2), []
    first = explain(network, x, ALONE, 1)
    with torch.no_grad():
        expected = network(x)

    def predict() -> None:
        with torch.no_grad():
            seen.append(network(x))

    network.other = predict
    assert_equal(first, explain(network, x, ALONE, 1))
    assert torch.equal(seen[0], expected)


def test_hooks_and_landmarks_do_not_outlive_their_use() -> None:
    network, x = make("plain", 2), inputs_for(2)
    for _ in range(2):
        explain(network, x, WITH_GRAPH, 1)
    assert recall(network, (None, x.shape, False)) is not None
    assert not any(module._forward_hooks for module in network.modules())
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None
