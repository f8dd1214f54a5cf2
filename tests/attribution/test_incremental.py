"""Windows through a network give what whole inputs give: on the small networks with habits, and on torchvision's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from conftest import BUILDERS, build
from small_networks import NETWORKS, inputs_for, make
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from saliency_viewer.attribution.incremental import PatchedNetwork
from saliency_viewer.attribution.incremental.base_pass import BasePass
from saliency_viewer.attribution.incremental.patch_pass import PatchPass
from saliency_viewer.attribution.incremental.windows import Windows, stacked_boxes
from saliency_viewer.attribution.score import logits_of

Case = tuple[nn.Module, Tensor]


@pytest.fixture(params=[0.5, 1.0], ids=["half", "all"], autouse=True)
def largest_part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As shipped, and with windows that stay windows up to the whole layer."""
    monkeypatch.setattr("saliency_viewer.attribution.incremental.windows.LARGEST_PART", request.param)


def places(sample: Tensor, size: int) -> list[tuple[int, ...]]:
    """Both ends, next to them, and the middle of every axis, in all combinations."""
    ends = [sorted({0, 1, (n - size) // 2, n - size - 1, n - size}) for n in sample.shape[2:]]
    return list(product(*ends))


def unchecked() -> None:
    """Nobody asks to stop."""


def whole(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network's logits for whole inputs, without a graph."""

    def run(rows: Tensor) -> Tensor:
        with torch.no_grad():
            return logits_of(network(rows), len(rows))

    return run


def both(network: nn.Module, sample: Tensor, size: int, starts: list[tuple[int, ...]]) -> tuple[Tensor, Tensor, float]:
    """(logits by windows, logits by whole inputs, part of the elements that windows computed)."""
    baseline = torch.randn(sample.shape, dtype=sample.dtype, generator=torch.Generator().manual_seed(4))
    box = (size,) * (sample.ndim - 2)
    run = PatchPass(BasePass(network, sample, unchecked))
    windows = Windows(stacked_boxes(baseline, starts, box), tuple(starts), sample)
    found = logits_of(run.run(network, windows, unchecked), len(starts))
    plain = PatchedNetwork(network, sample, baseline, box, unchecked, whole(network)).plain(starts)
    return found, plain, run.computed / run.plain


def assert_exact(case: Case, size: int, starts: list[tuple[int, ...]] | None = None) -> float:
    network, sample = copy.deepcopy(case[0]).double(), case[1][:1].double()
    before = sample.clone()
    with torch.no_grad():
        untouched = logits_of(network(sample.clone()), 1)
    found, plain, part = both(network, sample, size, starts or places(sample, size))
    assert torch.allclose(found, plain, rtol=0, atol=1e-10)
    assert not torch.allclose(found, untouched.expand_as(found), rtol=0, atol=1e-7)
    assert torch.equal(sample, before)
    return part


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("name", BUILDERS)
def test_networks_with_habits(name: str, size: int) -> None:
    assert assert_exact(build(name), size) < 1


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_small_networks(name: str, axes: int) -> None:
    assert assert_exact((make(name, axes), inputs_for(axes)), 2) < 0.9


ODD: dict[str, Callable[[Tensor], Tensor]] = {
    "ceil max": lambda x: functional.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "dilated max": lambda x: functional.max_pool2d(x, 2, 1, 1, dilation=2),
    "keyword max": lambda x: functional.max_pool2d(input=x, kernel_size=(2, 3)),
    "max with indices": lambda x: functional.max_pool2d(x, 2, return_indices=True)[0],
    "average": lambda x: functional.avg_pool2d(x, 3, 1, 1),
    "average inside": lambda x: functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "ceil average": lambda x: functional.avg_pool2d(x, 3, 2, 1, ceil_mode=True),
    "ceil average inside": lambda x: functional.avg_pool2d(x, 2, 2, 1, ceil_mode=True, count_include_pad=False),
    "divided": lambda x: functional.avg_pool2d(x, 2, 1, divisor_override=3),
    "padded": lambda x: functional.pad(x, (1, 2, 0, 3), value=0.7),
    "cropped": lambda x: functional.pad(x, (-1, 2)),
    "reflected": lambda x: functional.pad(x, (1, 1, 1, 1), mode="reflect"),
    "padded, then overwritten": lambda x: functional.pad(x, (1, 1)).relu_()[..., 1:-1] + x,
    "gate of the sample": lambda x: x * x.amax((2, 3), keepdim=True).sigmoid(),
    "gate over all rows": lambda x: x * x.mean().sigmoid(),
    "scaled": lambda x: (1 - x) * torch.tensor([0.5, 2.0]).reshape(1, 2, 1, 1).to(x) / 0.3,
    "positions": lambda x: x + torch.linspace(0, 1, x.shape[3]).to(x),
    "its own gate": lambda x: x * torch.sigmoid(x),
    "written through a view": lambda x: (x[:, :1].mul_(3), x)[1],
    "old and new values": lambda x: functional.conv2d(x, torch.ones(2, 2, 3, 3).to(x)) + x.neg_()[..., 1:-1, 1:-1],
    "item": lambda x: (x.__setitem__((slice(None), 0), x[:, 1] ** 2), x)[1],
    "data": lambda x: x.data * 2,
    "turned": lambda x: x.mT.contiguous(),
    "numpy": lambda x: torch.from_numpy(x.numpy() * 2),
    "branch on values": lambda x: x * 2 if float(x.sum()) > 1e9 else x * 3,
    "out": lambda x: torch.mul(x, 3, out=torch.empty_like(x)),
    "joined with a constant": lambda x: torch.cat([x, torch.ones_like(x)], dim=-3),
    "joined rows": lambda x: torch.cat([x, x * 2], 2),
    "of mixed reach": lambda x: functional.max_pool2d(x, 5, 1, 2) - x,
    "dropout in place of nothing": lambda x: (functional.dropout(x, training=False).mul_(2), x)[1],
    "even same": lambda x: functional.conv2d(x, torch.ones(2, 2, 2, 4).to(x), padding="same", dilation=(1, 2)),
    "grouped": lambda x: functional.conv2d(x, torch.ones(4, 1, 3, 3).to(x), stride=2, padding=(2, 0), groups=2),
    "skipping": lambda x: functional.conv2d(x, torch.ones(2, 2, 1, 1).to(x), stride=3),
    "weight of the sample": lambda x: functional.conv2d(x, torch.ones(2, 2, 1, 1).to(x) * x.mean()),
    "normalised over space": lambda x: functional.instance_norm(x),
}
# The rows of their batch are not independent of each other, so that plain batches have no one answer either.
COUPLED = ("gate over all rows", "weight of the sample")


class Odd(nn.Module):
    """A convolution, an odd operation, and a head that sees every position."""

    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        x = self.operation(self.conv(x))
        places = torch.linspace(-1, 2, x[0].numel(), dtype=x.dtype).reshape(x.shape[1:])
        return torch.stack([(torch.tanh(x) * places).flatten(1).sum(1), x.flatten(1).sum(1)], 1)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(
    ("name", "rows"), [(name, rows) for name in ODD for rows in (1, 25) if rows == 1 or name not in COUPLED]
)
def test_odd_operations(name: str, rows: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network, sample = Odd(ODD[name]), torch.randn(1, 2, 15, 12)
    assert_exact((network, sample), 3, places(sample, 3)[:rows])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mobilenet_v2", "vgg11"])
def test_torchvision_networks_in_both_precisions(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(6)
        network = getattr(models, name)(weights=None, num_classes=4).train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
            elif isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0  # the statistics of one batch, so that the input matters in the logits
        with torch.no_grad():
            network(torch.randn(4, 3, 96, 96))
        network, sample = network.eval(), torch.randn(1, 3, 96, 96)
    starts = [(0, 0), (0, 81), (81, 81), (40, 0), (37, 81), (41, 39), (3, 50)]
    assert assert_exact((network, sample), 15, starts) < 0.8
    found, plain, _ = both(network, sample, 15, starts)
    assert torch.allclose(found, plain, rtol=0, atol=1e-4 * float(plain.max() - plain.min()))


class Counting(nn.Module):
    """Answers differently at every call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.calls = nn.Conv2d(2, 3, 3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = self.conv(x)
        for _ in range(self.calls):
            x = torch.tanh(x)
        return x.mean((2, 3))


class Hidden(torch.autograd.Function):
    """What no mode sees inside of."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy() + 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Unseen(nn.Module):
    """A convolution, an operation that windows cannot pass in sight, and a mean."""

    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.operation = nn.Conv2d(2, 3, 3), operation

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(self.conv(x)).mean((2, 3))


@pytest.mark.parametrize("network", [Unseen(Hidden.apply), Unseen(nn.ReLU())], ids=["autograd function", "module"])
def test_the_answer_is_the_plain_one_whether_windows_can_be_used_or_not(network: nn.Module) -> None:
    sample = torch.randn(1, 2, 14, 13)
    patched = PatchedNetwork(network, sample, torch.zeros_like(sample), (3, 3), unchecked, whole(network))
    patched.try_windows([(0, 0), (6, 5)])
    starts = places(sample, 3)
    assert torch.allclose(patched.logits(starts), patched.plain(starts), atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_network_that_changes_its_mind_or_is_compiled_runs_plainly() -> None:
    sample = torch.randn(1, 2, 14, 13)
    for network in (Counting(), torch.jit.trace(Unseen(nn.ReLU()), sample)):
        patched = PatchedNetwork(network, sample, torch.zeros_like(sample), (3, 3), unchecked, whole(network))
        assert not patched.try_windows([(0, 0), (6, 5)])
        assert patched.logits([(1, 2), (4, 4)]).shape == (2, 3)


class Turning(nn.Module):
    """Looks at the whole image first."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(2).tanh().flip(3).mean((2, 3))


@pytest.mark.parametrize(("network", "saves"), [(Unseen(nn.ReLU()), True), (Turning(), False)])
def test_windows_are_used_where_they_save_work_and_only_there(network: nn.Module, saves: bool) -> None:
    sample = torch.randn(1, 2, 40, 40)
    patched = PatchedNetwork(network, sample, torch.zeros_like(sample), (5, 5), unchecked, whole(network))
    assert patched.try_windows([(0, 0), (20, 20)]) == saves


def test_layers_behind_the_last_window_are_not_kept() -> None:
    network, sample = Unseen(lambda x: torch.tanh(x).flip(2).exp()), torch.randn(1, 2, 40, 40)
    patched = PatchedNetwork(network, sample, torch.zeros_like(sample), (5, 5), unchecked, whole(network))
    assert patched.try_windows([(0, 0), (20, 20)])
    assert patched._base is not None
    kept = [record.name for record in patched._base.records if record.values is not None]
    assert kept == ["conv2d", "tanh"]
    starts = places(sample, 5)
    assert torch.allclose(patched.logits(starts), patched.plain(starts), atol=1e-6)


def test_a_window_costs_no_layer() -> None:
    """Only what the patch reaches is computed: 6 x 6 of 62 x 62 positions behind a 3 x 3 kernel."""
    network, sample = Unseen(nn.ReLU()), torch.randn(1, 2, 64, 64)
    windows = Windows(torch.zeros(3, 2, 4, 4), ((0, 0), (9, 30), (60, 60)), sample)
    run = PatchPass(BasePass(network, sample, unchecked))
    run.run(network, windows, unchecked)
    logits = 3 * 3
    assert run.plain == 2 * 3 * 3 * 62 * 62 + logits
    assert run.computed == 2 * 3 * 3 * 6 * 6 + logits
