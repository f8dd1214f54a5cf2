"""Blur and guided integrated gradients: sums, limits, and PAIR's own code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from formulas import Formula, double_inputs, one, pair_model, smooth_network, top
from saliency.core import BlurIG, GuidedIG
from scipy import ndimage
from torch import Tensor, nn

from saliency_viewer.attribution import explain

MODES = {"zero": "constant", "nearest": "nearest"}


def blurred(x: Tensor, sigma: float, border: str) -> Tensor:
    """By SciPy, along all spatial axes."""
    found = ndimage.gaussian_filter(x.numpy(), [0, 0, *[sigma] * (x.ndim - 2)], mode=MODES[border])
    return torch.as_tensor(found)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_blur_paths_sum_to_the_difference_from_the_blurred_image(axes: int, border: str) -> None:
    network, x, sigma = smooth_network(axes), double_inputs(axes, 2), 3.0
    found = one(network, x, "blur-ig", 1, steps=60, sigma=sigma, border=border)
    with torch.no_grad():
        expected = (network(x) - network(blurred(x, sigma, border)))[:, 1]
    assert torch.allclose(found.signed.double().flatten(1).sum(1), expected, rtol=0, atol=3e-3 * top(expected))
    assert top(found.residual) < 0.01
    assert found.validity.badge == "verified"


def test_the_residual_falls_with_the_nodes() -> None:
    """For any blur whose path does not end between two steps of the kernel's reach."""
    network, x = smooth_network(), double_inputs()
    residuals = [
        np.mean([abs(float(one(network, x, "blur-ig", 1, steps=n, sigma=s).residual)) for s in (2.0, 5.0, 11.0)])
        for n in (5, 20, 80)
    ]
    assert residuals[0] > residuals[1] > residuals[2]
    assert residuals[2] < 2e-3


@pytest.mark.parametrize("border", MODES)
def test_a_linear_score_gets_its_weights_times_what_the_blur_took(border: str) -> None:
    weight = double_inputs(seed=5)
    x, sigma = double_inputs(), 4.0
    found = one(Formula(lambda v: v * weight), x, "blur-ig", steps=100, sigma=sigma, border=border)
    expected = weight * (x - blurred(x, sigma, border))
    assert torch.allclose(found.signed.double(), expected, rtol=0, atol=2e-3 * top(expected))


def test_what_lies_outside_matters_at_the_border_only() -> None:
    network, x = smooth_network(), torch.ones(1, 2, 13, 11, dtype=torch.float64)
    zero, nearest = (one(network, x, "blur-ig", 1, steps=10, sigma=1.0, border=border) for border in MODES)
    assert top(nearest.signed) < 1e-6  # a constant image stays itself
    assert top(zero.signed[..., :2, :]) > 1e-3
    assert top(zero.signed[..., 5:-5, 5:-5]) < 0.01 * top(zero.signed)


def test_blur_paths_equal_pair_s_with_many_steps() -> None:
    network, x, sigma = smooth_network(), double_inputs(), 4.0
    theirs = BlurIG().GetMask(
        x[0].movedim(0, -1).numpy(), pair_model(network, 1), max_sigma=sigma, steps=3000, grad_step=1e-3, batch_size=500
    )
    expected = torch.as_tensor(theirs).movedim(-1, 0)
    found = one(network, x, "blur-ig", 1, steps=100, sigma=sigma).signed[0].double()
    assert float((found - expected).norm() / expected.norm()) < 0.01


def left_sum(network: nn.Module, x: Tensor, baseline: Tensor, steps: int) -> Tensor:
    """(x - x0) times the mean gradient at the left ends of equal steps."""
    total = torch.zeros_like(x)
    for step in range(steps):
        leaf = torch.lerp(baseline, x, step / steps).requires_grad_()
        total += torch.autograd.grad(network(leaf)[:, 1].sum(), leaf)[0]
    return (x - baseline) * total / steps


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_without_distance_the_guided_path_is_a_left_sum(axes: int) -> None:
    network, x = smooth_network(axes), double_inputs(axes, 2)
    baseline = double_inputs(axes, 2, seed=8)
    found = one(network, x, "guided-ig", 1, steps=7, distance=0.0, fraction=0.3, baseline=baseline)
    expected = left_sum(network, x, baseline, 7)
    assert torch.allclose(found.signed.double(), expected, rtol=0, atol=1e-6 * top(expected))


@pytest.mark.parametrize("distance", [0.02, 0.3, 1.0])
def test_guided_paths_are_nearly_complete_with_many_steps(distance: float) -> None:
    network, x = smooth_network(1), double_inputs(1)
    residuals = [abs(float(one(network, x, "guided-ig", 1, steps=n, distance=distance).residual)) for n in (20, 600)]
    assert residuals[1] < 0.02
    assert residuals[1] < residuals[0]


def test_positions_that_equal_the_baseline_get_nothing() -> None:
    network, x = smooth_network(), double_inputs()
    baseline = x.clone()
    baseline[..., :6, :] -= 1.5
    found = one(network, x, "guided-ig", 1, steps=40, distance=0.2, baseline=baseline)
    assert top(found.signed[..., 6:, :]) == 0.0
    assert top(found.signed[..., :6, :]) > 0.0


def test_an_image_that_is_its_own_baseline_gives_an_empty_map_that_says_so() -> None:
    network, x = smooth_network(), double_inputs()
    found = one(network, x, "guided-ig", 1, steps=4, baseline=x)
    assert not bool(found.signed.any())
    assert "does not differ from the baseline's" in found.validity.text


@pytest.mark.parametrize("wishes", [(30, 0.25, 0.02), (30, 0.1, 0.2), (25, 0.5, 1.0), (10, 1.0, 0.1)])
def test_guided_paths_equal_pair_s(wishes: tuple[int, float, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """PAIR's code calls numpy.quantile by an argument that newer NumPy has renamed."""
    quantile = np.quantile

    def renamed(values: Any, fraction: float, interpolation: str) -> Any:
        return quantile(values, fraction, method=interpolation)

    monkeypatch.setattr(np, "quantile", renamed)
    steps, fraction, distance = wishes
    network, x = smooth_network(), double_inputs()
    baseline = torch.full_like(x, -1.0)
    theirs = GuidedIG().GetMask(
        x[0].movedim(0, -1).numpy(), pair_model(network, 1), x_baseline=baseline[0].movedim(0, -1).numpy(),
        x_steps=steps, fraction=fraction, max_dist=distance,
    )  # fmt: skip
    found = one(
        network, x, "guided-ig", 1, steps=steps, fraction=fraction, distance=distance, baseline=baseline
    ).signed[0]
    expected = torch.as_tensor(theirs).movedim(-1, 0)
    assert torch.allclose(found.double(), expected, rtol=0, atol=1e-5 * top(expected))


def test_each_sample_walks_its_own_path() -> None:
    network, x = smooth_network(1), double_inputs(1, 3)
    wishes = {"guided-ig": {"steps": 12, "distance": 0.3}, "blur-ig": {"steps": 8, "sigma": 2.0}}
    together = explain(network, x, list(wishes), 1, parameters=wishes, batch_size=2)
    for row in range(3):
        alone = explain(network, x[row : row + 1], list(wishes), 1, parameters=wishes)
        for key in wishes:
            expected = alone[key].signed[0]
            assert torch.allclose(together[key].signed[row], expected, rtol=1e-6, atol=1e-7 * top(expected)), key
