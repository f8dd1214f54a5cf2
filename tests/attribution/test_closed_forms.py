"""Methods against formulas worked out by hand, mostly in double precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from formulas import Formula
from small_networks import FEW, SIZES, Plain, inputs_for, make
from torch import Tensor, nn
from torch.nn import functional

from saliency_viewer.attribution import METHODS, explain
from saliency_viewer.attribution.methods import Capabilities
from saliency_viewer.domain import ScoreTarget

CUBE = Formula(lambda x: x**3)
LINEAR_WEIGHT = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(1, 1, 3, 4)
LINEAR = Formula(lambda x: x * LINEAR_WEIGHT)


def grid(seed: int = 0) -> Tensor:
    return torch.randn(1, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["gradient", "smooth-grad"])
def test_gradients_of_a_linear_score_are_its_weights(name: str) -> None:
    found = explain(LINEAR, grid(), [name], 0, parameters={"smooth-grad": {"sigma": 0.7}})[name]
    assert torch.allclose(found.signed, LINEAR_WEIGHT.float(), atol=1e-6)


def test_smooth_grad_of_a_cube_has_the_noise_s_variance_in_it() -> None:
    x, sigma = grid(), 0.2
    found = explain(CUBE, x, "smooth-grad", 0, parameters={"smooth-grad": {"samples": 1000, "sigma": sigma}})
    spread = sigma * float(x.max() - x.min())
    expected = 3 * x**2 + 3 * spread**2
    # An antithetic pair's mean is 3 x^2 + 3 e^2, whose standard deviation is 3 sqrt(2) sigma^2, over 500 pairs.
    error = 3 * 2**0.5 * spread**2 / 500**0.5
    assert (found["smooth-grad"].signed - expected).abs().max() < 4 * error
    reported = found["smooth-grad"].standard_error
    assert reported is not None
    assert float(reported) == pytest.approx(error, rel=0.15)


@pytest.mark.parametrize("samples", [4, 5, 25])
def test_antithetic_pairs_cancel_the_odd_part_and_the_error_is_that_of_pairs(samples: int) -> None:
    square = Formula(lambda x: x**2)  # the gradient is odd in the noise, so that every pair is exact
    found = explain(square, grid(), "smooth-grad", 0, parameters={"smooth-grad": {"samples": samples}})["smooth-grad"]
    assert found.standard_error is not None
    alone = samples % 2  # an odd last sample stands alone, with its noise, and the error says so
    assert float(found.standard_error) > 0.01 if alone else float(found.standard_error) < 1e-6
    close = torch.allclose(found.signed, 2 * grid().float(), atol=1e-6)
    assert close == (not alone)


def test_integrated_gradients_of_a_cube_from_zero_is_exact() -> None:
    x = torch.ones(1, 1, 4, dtype=torch.float64)
    found = explain(
        CUBE, x, "integrated-gradients", 0, baseline="zero", parameters={"integrated-gradients": {"steps": 2}}
    )
    result = found["integrated-gradients"]
    assert torch.allclose(result.signed, torch.ones(1, 1, 4), atol=1e-7)
    assert result.validity.badge == "verified"


@pytest.mark.parametrize("axes", SIZES)
@pytest.mark.parametrize("baseline", ["zero", "minimum", "mean", "blur"])
def test_integrated_gradients_equal_a_loop_over_the_same_nodes(axes: int, baseline: str) -> None:
    network, x = make("residual", axes).double(), inputs_for(axes).double()
    start = {
        "zero": torch.zeros_like(x),
        "minimum": x.flatten(2).min(2).values.reshape(*x.shape[:2], *[1] * axes).expand_as(x),
        "mean": x.flatten(2).mean(2).reshape(*x.shape[:2], *[1] * axes).expand_as(x),
    }
    given = start.get(baseline)
    if given is None:  # no closed form; what matters is that the map starts where the baseline is
        from saliency_viewer.attribution.baselines import make_baseline

        given = make_baseline("blur", x)
        assert float(given.std()) < float(x.std())
    nodes, weights = np.polynomial.legendre.leggauss(7)
    expected = torch.zeros_like(x)
    for node, weight in zip(nodes, weights, strict=True):
        point = (given + (node + 1) / 2 * (x - given)).requires_grad_()
        (slope,) = torch.autograd.grad(network(point)[:, 2].sum(), point)
        expected += weight / 2 * slope * (x - given)
    options = {"integrated-gradients": {"steps": 7}}
    found = explain(network, x, "integrated-gradients", 2, baseline=baseline, parameters=options, batch_size=3)
    assert torch.allclose(
        found["integrated-gradients"].signed, expected.float(), atol=1e-6 * float(expected.abs().max())
    )


def test_the_residual_is_what_completeness_lacks() -> None:
    network, x = make("residual", 2).double(), inputs_for(2).double()
    found = explain(
        network, x, "integrated-gradients", 1, baseline="zero", parameters={"integrated-gradients": {"steps": 1}}
    )
    result = found["integrated-gradients"]
    with torch.no_grad():
        logits, start = network(x), network(torch.zeros_like(x))
    delta = (logits - start)[:, 1]
    floor = 0.01 * (logits.amax(1) - logits.amin(1))
    expected = (result.signed.flatten(1).sum(1) - delta) / torch.maximum(delta.abs(), floor)
    assert result.residual is not None
    assert torch.allclose(result.residual, expected.float(), rtol=1e-4, atol=1e-6)
    assert (result.validity.badge == "approximate") == bool(expected.abs().max() > 0.05)


def test_a_score_like_the_baseline_s_is_said_not_divided_by() -> None:
    x = grid()
    found = explain(LINEAR, x, "integrated-gradients", 0, baseline=x)["integrated-gradients"]
    assert found.validity.badge == "approximate"
    assert "does not differ from the baseline" in found.validity.text
    assert found.residual is not None
    assert torch.isfinite(found.residual).all()


@pytest.mark.parametrize("axes", SIZES)
def test_without_biases_input_x_gradient_and_lrp_sum_to_the_logit(axes: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = Plain(axes, bias=False).double().eval()
    x = inputs_for(axes).double()
    found = explain(network, x, ["input-x-gradient", "lrp-epsilon-plus"], 1)
    for result in found.values():
        assert torch.allclose(result.signed.flatten(1).sum(1), result.score, rtol=1e-3)
    assert found["lrp-epsilon-plus"].validity.badge == "verified"


@pytest.mark.parametrize("axes", SIZES)
@pytest.mark.parametrize("name", ["plain", "residual"])
def test_behind_a_global_average_the_cams_agree(name: str, axes: int) -> None:
    """Grad-CAM before its ReLU = HiResCAM = Tubes / N, and their sum plus bias is the logit."""
    network, x = make(name, axes).double(), inputs_for(axes).double()
    found = explain(network, x, ["grad-cam", "hires-cam", "respond-cam", "saliency-tubes"], 2)
    maps = {key: result.layer_values for key, result in found.items()}
    assert maps["grad-cam"] is not None
    for key, factor in (("hires-cam", 1), ("respond-cam", 1), ("saliency-tubes", maps["grad-cam"][0].numel())):
        assert torch.allclose(maps[key], factor * maps["grad-cam"], rtol=1e-4, atol=1e-6), key
    bias = network.get_submodule("head").bias[2].item()
    assert torch.allclose(maps["hires-cam"].flatten(1).sum(1) + bias, found["hires-cam"].score, atol=1e-5)


def test_respond_cam_s_sum_equals_hires_cam_s_behind_any_head() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 11 * 9, 5), nn.Tanh(), nn.Linear(5, 2)
    )
    found = explain(network.double(), inputs_for(2).double(), ["hires-cam", "respond-cam"], 0)
    one, other = (found[key].layer_values.flatten(1).sum(1) for key in ("hires-cam", "respond-cam"))
    assert torch.allclose(one, other, rtol=1e-4)


class OnePixel(nn.Module):
    """f = exp-free closed form: the layer is relu(x), the score a fixed multiple of its one active pixel."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * functional.relu(x).flatten(1).sum(1, keepdim=True)


@pytest.mark.parametrize("slope", [2.0, 1e-5])
def test_grad_cam_plus_plus_of_one_active_pixel(slope: float) -> None:
    x = torch.zeros(1, 1, 3, 4)
    x[0, 0, 1, 2] = 3.0
    found = explain(OnePixel(slope), x, "grad-cam-plus-plus", 0)["grad-cam-plus-plus"]
    # Every pixel has G = slope and alpha = 1 / (2 + 3 slope); the layer's sum of A is 3; 12 positions share the weight.
    expected = 12 * slope / (2 + 3 * slope) * x
    assert torch.allclose(found.signed, expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", ["guided-backprop", "deconvnet"])
def test_guided_methods_without_rectifiers_are_the_gradient(name: str) -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3 * 5 * 4, 2))
    found = explain(network, inputs_for(2), [name, "gradient"], 1)
    assert torch.allclose(found[name].signed, found["gradient"].signed, atol=1e-7)


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (lambda x: functional.relu(x), lambda x: x > 0),
        (lambda x: x.clone().relu_(), lambda x: x > 0),
        (lambda x: _half_in_place(x.clone()), lambda x: x > 0),
        (lambda x: functional.relu(x.clone(), True), lambda x: x > 0),
        (lambda x: functional.hardtanh(x, min_val=0.0, max_val=0.5), lambda x: (x > 0) & (x < 0.5)),
        (lambda x: functional.relu6(20 * x) / 20, lambda x: (x > 0) & (x < 0.3)),
        (lambda x: functional.leaky_relu(x, 0.1), lambda x: torch.where(x > 0, 1.0, 0.1)),
        (lambda x: x.clamp(min=0), lambda x: x > 0),
        (lambda x: torch.clamp_min(x, 0), lambda x: x > 0),
    ],
    ids=[
        "function",
        "in-place method",
        "in-place views",
        "positional in-place",
        "hardtanh keywords",
        "relu6",
        "leaky",
        "clamp",
        "clamp_min",
    ],
)
def test_guided_backprop_masks_every_spelling_of_a_rectifier(
    function: Callable[[Tensor], Tensor], derivative: Callable[[Tensor], Tensor]
) -> None:
    x = grid()
    formula = Formula(lambda v: LINEAR_WEIGHT * function(v))
    found = explain(formula, x, ["guided-backprop", "deconvnet"], 0)
    open_gates = LINEAR_WEIGHT.clamp(min=0)
    assert torch.allclose(found["guided-backprop"].signed, (open_gates * derivative(x)).float(), atol=1e-6)
    assert torch.allclose(found["deconvnet"].signed, open_gates.float(), atol=1e-6)
    for result in found.values():
        assert result.validity.intercepted == result.validity.executed in (1, 2)


def _half_in_place(x: Tensor) -> Tensor:
    x[..., :2].relu_()
    return torch.cat([x[..., :2], torch.relu(x[..., 2:])], -1)


def test_guided_grad_cam_is_the_product_of_its_parts() -> None:
    found = explain(make("residual", 2), inputs_for(2), ["guided-grad-cam", "guided-backprop", "grad-cam"], 1)
    assert torch.allclose(found["guided-grad-cam"].signed, found["guided-backprop"].signed * found["grad-cam"].values)


def test_layer_maps_are_upsampled_linearly_between_pixel_centres() -> None:
    found = explain(make("residual", 2), inputs_for(2), "hires-cam", 1)["hires-cam"]
    assert found.layer_values is not None
    height, width = found.layer_values.shape[1:]
    # The first output row's centre lies above the layer's first centre, so it repeats it; likewise at the far corner.
    assert torch.allclose(found.signed[:, 0, 0, 0], found.layer_values[:, 0, 0])
    assert torch.allclose(found.signed[:, 0, -1, -1], found.layer_values[:, height - 1, width - 1])
    middle = (0.5 + 6) * height / 13 - 0.5
    low = int(middle)
    column = (0.5 + 5) * width / 11 - 0.5
    left, right = int(column), min(int(column) + 1, width - 1)
    rows = [
        torch.lerp(found.layer_values[:, row, left], found.layer_values[:, row, right], column - left)
        for row in (low, min(low + 1, height - 1))
    ]
    assert torch.allclose(found.signed[:, 0, 6, 5], torch.lerp(rows[0], rows[1], middle - low), atol=1e-6)


# What these show does not depend on the score, or on the score itself rather than its slope.
SLOPELESS = ("eigen-cam", "kpca-cam", "fem", "score-cam", "rise")


@pytest.mark.parametrize("found", [m for m in METHODS if m.id not in SLOPELESS], ids=lambda found: found.id)
def test_a_score_without_any_slope_gives_an_empty_map_that_says_so(found: object) -> None:
    name = getattr(found, "id", "")
    if name == "saliency-tubes":
        network: nn.Module = nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
        )
        nn.init.zeros_(network[4].weight)
    else:
        network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 11 * 9, 2))
        nn.init.zeros_(network[3].weight)
    few = {key: value for key, value in FEW.items() if key == name}
    result = explain(network, inputs_for(2), [name], ScoreTarget("x", 1), parameters=few)[name]
    assert not result.signed.any()
    if getattr(found, "capabilities", Capabilities()).additive and "lrp" not in name and name != "excitation-backprop":
        assert "does not differ" in result.validity.text
    else:
        assert "no evidence" in result.validity.text
    assert (result.validity.badge == "verified") == (result.residual is None)


def test_an_all_negative_cam_is_said() -> None:
    network = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1, bias=False)
    )
    nn.init.constant_(network[4].weight, -1.0)
    result = explain(network, inputs_for(2), "grad-cam", 0)["grad-cam"]
    assert not result.values.any()
    assert (result.signed <= 0).all()
    assert result.signed.any()
    assert "negative" in result.validity.text


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_residual_s_floor_for_one_output_is_a_part_of_the_larger_score(sign: float) -> None:
    shifted = Formula(lambda x: x.mean(-1) * 0.1 + 100)  # f(x) - f(x0) = 0.1, far below 1 % of the scores near 100
    x = torch.ones(1, 1, 4, dtype=torch.float64)
    found = explain(shifted, x, "integrated-gradients", ScoreTarget("x", 0, sign=sign), baseline="zero")
    assert "does not differ" in found["integrated-gradients"].validity.text
    assert found["integrated-gradients"].provenance.baseline == "zero"
    plain = Formula(lambda x: x.mean(-1) * 0.1 - 0.05)  # f(x0) = -f(x): a difference twice as large as either score
    again = explain(plain, x, "integrated-gradients", ScoreTarget("x", 0, sign=sign), baseline="zero")
    assert again["integrated-gradients"].validity.badge == "verified"


def test_relevance_of_a_score_of_zero_is_said_to_be_that() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 11 * 9, 2))
    with torch.no_grad():
        nn.init.zeros_(network[3].weight)
        network[3].bias.copy_(torch.tensor([0.0, 5.0]))
    found = explain(network, inputs_for(2), "lrp-epsilon-plus", 0)["lrp-epsilon-plus"]
    assert found.validity.badge == "approximate"
    assert found.validity.text.startswith("the score is close to zero; no evidence")
