"""Occlusion against exact patch sums, a slow loop, captum, and itself in other batches."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from captum import attr
from small_networks import SIZES, inputs_for, make
from torch import Tensor, nn

from saliency_viewer.attribution import explain
from saliency_viewer.errors import Cancelled


class Linear(nn.Module):
    """f = sum of w x."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor) -> Tensor:
        return (self.weight * x).flatten(1).sum(1, keepdim=True)


def occlude(network: nn.Module, inputs: Tensor, size: int, stride: int, **wishes: Any) -> Any:
    wishes.setdefault("target", 0)
    return explain(network, inputs, "occlusion", parameters={"occlusion": {"size": size, "stride": stride}}, **wishes)[
        "occlusion"
    ]


def boxes(spatial: tuple[int, ...], size: int, stride: int) -> list[tuple[slice, ...]]:
    """Patches by stepping until the axis is covered; one that would leave it is pushed back in."""
    axes = []
    for positions in spatial:
        starts, start = [], 0
        while True:
            starts.append(max(min(start, positions - size), 0))
            if start + size >= positions:
                break
            start += min(stride, size)
        axes.append([slice(s, min(s + size, positions)) for s in starts])
    return list(product(*axes))


def slow_map(network: nn.Module, inputs: Tensor, baseline: Tensor, size: int, stride: int, target: int) -> Tensor:
    """(N, 1, *spatial): the mean change over the patches at each position."""
    total, count = torch.zeros_like(inputs[:, :1]), torch.zeros_like(inputs[:1, :1])
    with torch.no_grad():
        before = network(inputs)[:, target]
        for box in boxes(tuple(inputs.shape[2:]), size, stride):
            covered = inputs.clone()
            covered[(..., *box)] = baseline[(..., *box)]
            change = before - network(covered)[:, target]
            total[(..., *box)] += change.reshape(-1, *[1] * (inputs.ndim - 1))
            count[(..., *box)] += 1
    return total / count


@pytest.mark.parametrize(("size", "stride"), [(3, 3), (4, 2), (5, 8), (1, 1), (100, 7)])
@pytest.mark.parametrize("spatial", [(13,), (9, 11), (6, 7, 5)])
def test_a_linear_score_gives_exact_patch_sums(spatial: tuple[int, ...], size: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(1)
    weight, x0 = (torch.randn(1, 3, *spatial, generator=generator, dtype=torch.float64) for _ in range(2))
    inputs = torch.randn(2, 3, *spatial, generator=generator, dtype=torch.float64)
    found = occlude(Linear(weight), inputs, size, stride, baseline=x0.expand_as(inputs))
    share = (weight * (inputs - x0)).sum(1, keepdim=True)
    total, count = torch.zeros_like(share), torch.zeros(spatial, dtype=torch.float64)
    for box in boxes(spatial, size, stride):
        total[(..., *box)] += share[(..., *box)].flatten(1).sum(1).reshape(-1, *[1] * (len(spatial) + 1))
        count[box] += 1
    assert torch.allclose(found.signed.sum(1, keepdim=True).double(), total / count, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(found.signed[:, 0], found.signed[:, channel]) for channel in range(3))


@pytest.mark.parametrize("axes", SIZES)
@pytest.mark.parametrize("name", ["residual", "functional"])
def test_it_equals_a_slow_loop(name: str, axes: int) -> None:
    network, inputs = make(name, axes).double(), inputs_for(axes).double()
    baseline = torch.zeros_like(inputs)
    found = occlude(network, inputs, 3, 2, target=2, baseline="zero")
    expected = slow_map(network, inputs, baseline, 3, 2, 2)
    assert torch.allclose(found.signed.sum(1, keepdim=True).double(), expected, atol=1e-6)
    assert float(expected.abs().max()) > 1e-3


def test_it_equals_captum_where_both_have_the_same_patches() -> None:
    network = make("residual", 2).double()
    inputs = torch.randn(2, 2, 21, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    shape, step = (2, 6, 6), (2, 5, 5)  # 21 = 6 + 3 * 5 and 16 = 6 + 2 * 5: nothing is left over
    expected = attr.Occlusion(network).attribute(inputs, shape, strides=step, target=1, baselines=0.3)
    baseline = torch.full_like(inputs, 0.3)
    found = occlude(network, inputs, 6, 5, target=1, baseline=baseline)
    torch.testing.assert_close(
        found.signed.double(), expected.double() / 2, rtol=0, atol=1e-6 * float(expected.abs().max())
    )
    assert found.provenance.baseline == "given"


@pytest.mark.parametrize("axes", SIZES)
def test_the_map_does_not_depend_on_the_batch_size(axes: int) -> None:
    network, inputs = make("residual", axes), inputs_for(axes, samples=3)
    maps = [occlude(network, inputs, 4, 3, target=(0, 1, 2), batch_size=rows).signed for rows in (1, 2, 5, 64)]
    alone = torch.cat([occlude(network, inputs[k : k + 1], 4, 3, target=k).signed for k in range(3)])
    for other in [*maps[1:], alone]:
        assert torch.allclose(maps[0], other, rtol=0, atol=1e-5 * float(maps[0].abs().max()))


def test_it_stops_at_once_when_asked_to() -> None:
    network, inputs = make("plain", 2), inputs_for(2)
    calls = 0

    def cancel() -> bool:
        nonlocal calls
        calls += 1
        return calls > 60

    with pytest.raises(Cancelled):
        occlude(network, inputs, 2, 1, cancel=cancel)
    assert calls == 61


class Counting(nn.Module):
    """Counts the rows that it is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.rows = network, 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += len(x)
        found: Tensor = self.network(x)
        return found


def test_patches_that_change_nothing_cost_nothing_and_are_zero() -> None:
    network, inputs = Counting(make("plain", 2)), torch.zeros(1, 2, 13, 11)
    inputs[..., 5, 6] = 1.0
    found = occlude(network, inputs, 3, 3, baseline="zero", batch_size=1)
    # Two looks at the network's forms, the image, and of 16 patches those with the dot in them.
    assert network.rows <= 5
    seen = found.signed[0, 0] != 0
    assert bool(seen[5, 6])
    assert int(seen.sum()) <= 9


def test_progress_counts_patches() -> None:
    network, inputs = make("plain", 1), inputs_for(1)
    seen: list[float] = []
    occlude(network, inputs, 4, 5, batch_size=1, progress=lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert len(seen) >= 2 * 4  # patches of 4 at 0, 5, 10, 15 of 19, for two inputs
    assert seen[-1] == 1
