"""Scores that are formulas of the input, and small smooth networks, for tests against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from small_networks import CONV, inputs_for
from torch import Tensor, nn

from saliency_viewer.attribution import explain
from saliency_viewer.attribution.results import Result


class Formula(nn.Module):
    """One output: the sum over positions of a formula of the input; a parameter fixes the precision."""

    def __init__(self, formula: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula
        self.precision = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.formula(x).flatten(1).sum(1, keepdim=True)


def one(network: nn.Module, inputs: Tensor, key: str, target: int = 0, **wishes: Any) -> Result:
    """One method's result; keywords that ``explain`` does not know are the method's parameters."""
    known = ("layer", "baseline", "seed", "batch_size", "memory_budget")
    given = {name: wishes.pop(name) for name in known if name in wishes}
    return explain(network, inputs, key, target, parameters={key: wishes}, **given)[key]


def drawn(
    network: nn.Module, inputs: Tensor, key: str, seeds: int, target: int = 0, **wishes: Any
) -> tuple[Tensor, Tensor]:
    """Maps (seeds, C, *spatial) of one input under so many seeds, and the standard error (seeds,) that each reports."""
    found = [one(network, inputs, key, target, seed=seed, **wishes) for seed in range(seeds)]
    return torch.cat([f.signed for f in found]).double(), torch.cat([f.standard_error for f in found]).double()


def smooth_network(axes: int = 2, seed: int = 0) -> nn.Module:
    """conv, tanh, strided conv, tanh, mean, linear, in double precision: a score with every derivative."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [CONV[axes](2, 6, 3, padding=1), nn.Tanh(), CONV[axes](6, 5, 3, stride=2), nn.Tanh()]
        network = nn.Sequential(*layers, nn.Flatten(2), Mean(), nn.Linear(5, 3))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(2.0)
    return network.double().eval()


class Mean(nn.Module):
    """Over the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(-1)


def double_inputs(axes: int = 2, samples: int = 1, seed: int = 0) -> Tensor:
    return inputs_for(axes, samples, seed).double()


def top(values: Tensor) -> float:
    return float(values.abs().max())


def pair_model(network: nn.Module, target: int) -> Callable[..., dict[str, Any]]:
    """The callable that PAIR's code asks for: gradients at a batch of images (rows, columns, channels)."""

    def call(images: Any, call_model_args: Any = None, expected_keys: Any = None) -> dict[str, Any]:
        leaf = torch.as_tensor(np.asarray(images)).movedim(-1, 1).double().requires_grad_()
        (slope,) = torch.autograd.grad(network(leaf)[:, target].sum(), leaf)
        return {"INPUT_OUTPUT_GRADIENTS": slope.movedim(1, -1).numpy()}

    return call
