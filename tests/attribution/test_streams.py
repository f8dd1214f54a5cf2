"""Streams of noisy inputs: moments in closed form, honest standard errors, and captum's noise tunnel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from captum import attr
from formulas import Formula, double_inputs, drawn, one, smooth_network, top
from torch import Tensor, nn

from saliency_viewer.attribution import explain

CUBE = Formula(lambda x: x**3)
WEIGHT = torch.tensor([0.5, -2.0, 3.0, 0.0], dtype=torch.float64)
LINEAR = Formula(lambda x: x * WEIGHT)
SEEDS = 200
PART = 0.2  # of the range, which is 2
SPREAD = 2 * PART
GRADIENTS = ("smooth-grad", "smooth-grad-squared", "var-grad")


def ends() -> Tensor:
    """Both positions have equal moments of the cube's gradient."""
    return torch.tensor([[[1.0, -1.0]]], dtype=torch.float64)


def moments_of_the_cube() -> dict[str, float]:
    """E g, E g^2 and Var g for g = 3 (x + e)^2, x = 1, from the normal distribution's moments."""
    s2 = SPREAD**2
    return {
        "smooth-grad": 3 * (1 + s2),
        "smooth-grad-squared": 9 * (1 + 6 * s2 + 3 * s2**2),
        "var-grad": 9 * (4 * s2 + 2 * s2**2),
    }


@pytest.mark.parametrize("samples", [24, 25])
@pytest.mark.parametrize("key", GRADIENTS)
def test_moments_of_a_cube_and_their_errors(key: str, samples: int) -> None:
    maps, errors = drawn(CUBE, ends(), key, SEEDS, samples=samples, sigma=PART, batch_size=64)
    spread = maps.std(0)
    assert bool(((maps.mean(0) - moments_of_the_cube()[key]).abs() < 5 * spread / SEEDS**0.5).all())
    # The reported error of one map is what many maps spread by.
    assert float(errors.square().mean().sqrt()) == pytest.approx(float(spread.square().mean().sqrt()), rel=0.2)


def test_an_odd_last_sample_s_noise_is_in_the_error() -> None:
    """The square's gradient is odd in the noise: pairs are exact, and only the single sample errs."""
    square = Formula(lambda x: x**2)
    maps, errors = drawn(square, ends(), "smooth-grad", SEEDS, samples=7, sigma=PART)
    spread = float(maps.std(0).mean())
    assert spread == pytest.approx(2 * SPREAD / 7, rel=0.2)
    assert float(errors.square().mean().sqrt()) == pytest.approx(spread, rel=0.2)


def test_one_long_stream_is_within_five_of_its_own_errors() -> None:
    wishes = {key: {"samples": 1000, "sigma": PART} for key in GRADIENTS}
    found = explain(CUBE, ends(), GRADIENTS, 0, parameters=wishes, batch_size=100)
    for key, expected in moments_of_the_cube().items():
        error = float(found[key].standard_error)
        assert 0 < error < 0.1 * expected
        assert top(found[key].signed - expected) < 5 * error, key


def test_a_linear_score_has_squared_weights_and_no_variance() -> None:
    x = torch.linspace(-1, 2, 4, dtype=torch.float64)[None, None]
    wishes = {key: {"samples": 5, "sigma": 0.7} for key in GRADIENTS}
    found = explain(LINEAR, x, GRADIENTS, 0, parameters=wishes)
    assert torch.allclose(found["smooth-grad"].signed, WEIGHT.float(), atol=1e-7)
    assert torch.allclose(found["smooth-grad-squared"].signed, WEIGHT.float() ** 2, atol=1e-6)
    assert top(found["var-grad"].signed) < 1e-12
    assert "no evidence" not in found["smooth-grad-squared"].validity.text


STREAMS: dict[str, dict[str, Any]] = {
    "smooth-grad": {"samples": 7},
    "smooth-grad-squared": {"samples": 7},
    "var-grad": {"samples": 7},
    "gradient-shap": {"samples": 7, "sigma": 0.1},
    "smooth-integrated-gradients": {"samples": 5, "steps": 3},
    "noise-tunnel-ig": {"samples": 5, "steps": 3, "statistic": "variance"},
}


@pytest.mark.parametrize("key", STREAMS)
def test_the_batch_size_leaves_no_trace_in_double(key: str) -> None:
    network, x = smooth_network(), double_inputs(samples=3)
    alone, together = (one(network, x, key, 1, batch_size=size, **STREAMS[key]) for size in (1, 4))
    assert torch.allclose(alone.signed, together.signed, rtol=1e-6, atol=1e-7 * top(alone.signed))
    assert torch.allclose(alone.standard_error, together.standard_error, rtol=1e-5)


class Short(nn.Module):
    """Runs out of memory above two rows, once ``armed``."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.armed, self.failures = inner, True, 0

    def forward(self, x: Tensor) -> Tensor:
        if self.armed and len(x) > 2:
            self.failures += 1
            raise RuntimeError("not enough memory")
        out: Tensor = self.inner(x)
        return out


@pytest.mark.parametrize("key", STREAMS)
def test_running_out_of_memory_leaves_no_trace(key: str) -> None:
    network = Short(smooth_network())
    found = one(network, double_inputs(samples=2), key, 1, batch_size=8, **STREAMS[key])
    assert network.failures > 0
    expected = one(network.inner, double_inputs(samples=2), key, 1, batch_size=2, **STREAMS[key])
    assert torch.allclose(found.signed, expected.signed, rtol=1e-6, atol=1e-7 * top(expected.signed))


def test_smooth_integrated_gradients_of_a_linear_score_are_exact_and_complete() -> None:
    x = torch.linspace(-1, 2, 4, dtype=torch.float64)[None, None]
    even = one(LINEAR, x, "smooth-integrated-gradients", samples=4, steps=1, baseline="zero")
    assert torch.allclose(even.signed, (x * WEIGHT).float(), atol=1e-6)  # the noise of a pair cancels
    odd = one(LINEAR, x, "smooth-integrated-gradients", samples=5, steps=1, baseline="zero")
    assert not torch.allclose(odd.signed, (x * WEIGHT).float(), atol=1e-3)
    assert abs(float(odd.residual)) < 1e-6  # it sums to the mean score of its own noisy inputs


def test_the_residual_of_smooth_paths_is_that_of_their_quadrature() -> None:
    x = double_inputs(1, 2)[:, :, :4]
    few, enough = (one(CUBE, x, "smooth-integrated-gradients", samples=5, steps=n, baseline="mean") for n in (1, 2))
    assert top(enough.residual) < 1e-6  # two nodes are exact for the cube's quadratic gradient
    assert top(few.residual) > 1e-3


def test_the_noise_tunnel_s_mean_is_smooth_integrated_gradients() -> None:
    network, x = smooth_network(), double_inputs(samples=2)
    wishes = {"samples": 5, "steps": 3, "sigma": 0.1}
    both = explain(
        network, x, ["smooth-integrated-gradients", "noise-tunnel-ig"], 1,
        parameters={"smooth-integrated-gradients": wishes, "noise-tunnel-ig": wishes},
    )  # fmt: skip
    smooth, tunnel = both["smooth-integrated-gradients"], both["noise-tunnel-ig"]
    assert torch.equal(smooth.signed, tunnel.signed)
    assert torch.equal(smooth.standard_error, tunnel.standard_error)
    alone = one(network, x, "noise-tunnel-ig", 1, **wishes)
    assert torch.equal(alone.signed, tunnel.signed)


@pytest.mark.parametrize(
    ("statistic", "captum_name"), [("mean", "smoothgrad"), ("mean square", "smoothgrad_sq"), ("variance", "vargrad")]
)
def test_the_noise_tunnel_agrees_with_captum(statistic: str, captum_name: str) -> None:
    """Captum's noise is absolute, ours a part of the range; the means over many maps agree within their errors."""
    network, x = smooth_network(1), double_inputs(1)
    part, samples, maps = 0.1, 12, 60
    sigma = part * float(x.max() - x.min())
    baseline = torch.zeros_like(x)
    wishes = {"samples": samples, "steps": 8, "sigma": part, "statistic": statistic, "baseline": "zero"}
    ours, _ = drawn(network, x, "noise-tunnel-ig", maps, 1, batch_size=96, **wishes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = attr.NoiseTunnel(attr.IntegratedGradients(network)).attribute(
            x.repeat(maps, 1, 1), nt_type=captum_name, nt_samples=samples, stdevs=sigma,
            baselines=baseline, target=1, n_steps=8, method="gausslegendre",
        )  # fmt: skip
    if statistic == "variance":
        theirs = theirs * samples / (samples - 1)  # captum's variance is of the sample, ours of the distribution
    error = (ours.var(0) / maps + theirs.var(0) / maps).sqrt()
    deviations = (ours.mean(0) - theirs.mean(0)) / error
    assert top(deviations) < 5
    assert float(deviations.square().mean()) < 2
    assert top(ours.mean(0)) > 20 * float(error.mean())  # the comparison has something to see


def test_gradient_shap_of_a_linear_score_is_exact_with_any_number_of_samples() -> None:
    x = torch.linspace(-1, 2, 4, dtype=torch.float64)[None, None]
    for samples, sigma in ((2, 0.0), (3, 0.3)):
        found = one(LINEAR, x, "gradient-shap", samples=samples, sigma=sigma)
        assert torch.allclose(found.signed, ((x + 1) * WEIGHT).float(), atol=1e-6)  # the minimum is -1
        assert abs(float(found.residual)) < 1e-6


def test_a_pair_of_places_makes_gradient_shap_exact_for_a_square() -> None:
    x = double_inputs(1)
    found = one(Formula(lambda x: x**2), x, "gradient-shap", samples=2, baseline="zero")
    assert torch.allclose(found.signed, (x**2).float(), rtol=1e-6)


def test_gradient_shap_is_unbiased_for_integrated_gradients_with_an_honest_error() -> None:
    network, x = smooth_network(1), double_inputs(1)
    exact = one(network, x, "integrated-gradients", 1, steps=60).signed.double()
    maps, errors = drawn(network, x, "gradient-shap", SEEDS, 1, samples=8)
    spread = maps.std(0)
    assert top((maps.mean(0) - exact[0]) / (spread + 1e-9) * SEEDS**0.5) < 5
    assert float(errors.square().mean().sqrt()) == pytest.approx(float(spread.mean()), rel=0.2)
