"""Unmodified networks of torchvision and MONAI through every method."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from monai.networks.nets import DenseNet121
from torch import Tensor, nn
from torchvision import models

from saliency_viewer.attribution import METHODS, Results, explain

# Build, input shape, activations that run in one forward pass, what is not defined, the layer that CAMs read.
Row = tuple[Callable[[], nn.Module], tuple[int, ...], int, set[str], str]
GUIDED = {"guided-backprop", "guided-grad-cam", "deconvnet"}
LRP = {found.id for found in METHODS if found.id.startswith("lrp-")}
TUBES = {"saliency-tubes"}
SQUARE = (2, 3, 96, 96)
NETWORKS: dict[str, Row] = {
    "resnet50": (lambda: models.resnet50(num_classes=5), SQUARE, 49, set(), "layer4"),
    "vgg16": (lambda: models.vgg16(num_classes=5), SQUARE, 15, TUBES, "avgpool"),
    "densenet121": (lambda: models.densenet121(num_classes=5), SQUARE, 121, set(), "features → relu"),
    "efficientnet_b0": (lambda: models.efficientnet_b0(num_classes=5), SQUARE, 49, GUIDED, "features"),
    "mobilenet_v2": (lambda: models.mobilenet_v2(num_classes=5), SQUARE, 35, set(), "features"),
    "inception_v3": (
        lambda: models.inception_v3(num_classes=5, init_weights=False),
        (1, 3, 299, 299),
        94,
        set(),
        "Mixed_7c",
    ),
    "monai densenet121 3d": (
        lambda: DenseNet121(spatial_dims=3, in_channels=1, out_channels=3),
        (1, 1, 64, 56, 48),
        121,
        set(),
        "class_layers.relu",
    ),
}


def calibrated(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> tuple[nn.Module, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = build().train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        with torch.no_grad():
            for _ in range(2):
                network(torch.randn(4, *shape[1:]))
        return network.eval(), torch.randn(shape)


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[Row, nn.Module, Tensor, Results]:
    row = NETWORKS[request.param]
    network, inputs = calibrated(row[0], row[1])
    samples, paths = {"samples": 2}, {"steps": 2}
    few = {
        **{key: samples for key in ("smooth-grad", "smooth-grad-squared", "var-grad", "gradient-shap", "rise")},
        **{key: {**samples, "steps": 1} for key in ("smooth-integrated-gradients", "noise-tunnel-ig")},
        **{key: paths for key in ("integrated-gradients", "blur-ig", "guided-ig", "xrai")},
        "score-cam": {"clusters": 2},
        "occlusion": {"size": 48, "stride": 48},
    }
    with torch.no_grad():
        before = network(inputs)
    results = explain(network, inputs, [m.id for m in METHODS], 1, parameters=few, skip_undefined=True)
    with torch.no_grad():
        assert torch.equal(before, network(inputs))
    return row, network, inputs, results


@pytest.mark.slow
def test_every_method_gives_a_finite_map_or_says_why_not(case: tuple[Row, nn.Module, Tensor, Results]) -> None:
    (_, _, _, refused, layer), _network, inputs, results = case
    assert set(results.undefined) == refused
    assert results["grad-cam"].layer == layer
    for name, result in results.items():
        assert result.signed.shape[2:] == inputs.shape[2:]
        assert torch.isfinite(result.signed).all(), name
        assert result.validity.badge in ("verified", "approximate"), name


@pytest.mark.slow
def test_the_rules_reach_every_activation_that_runs(case: tuple[Row, nn.Module, Tensor, Results]) -> None:
    (_, _, activations, _, _), _network, _inputs, results = case
    for name in ({"guided-backprop", "deconvnet", "excitation-backprop"} | LRP) & set(results):
        validity = results[name].validity
        assert (validity.intercepted, validity.executed) == (activations, activations), name


@pytest.mark.slow
def test_the_gradient_is_autograd_s_and_relevance_near_the_score_or_marked(
    case: tuple[Row, nn.Module, Tensor, Results],
) -> None:
    _, network, inputs, results = case
    # In single precision these random networks' gradients differ by parts of a percent between numbers of threads.
    exact, leaf = copy.deepcopy(network).double(), inputs.double().requires_grad_()
    (expected,) = torch.autograd.grad(exact(leaf)[:, 1].sum(), leaf)
    found = explain(exact, inputs.double(), ["gradient"], 1)["gradient"].signed
    assert torch.allclose(found, expected.float(), rtol=0, atol=1e-6 * float(expected.abs().max()))
    for name in LRP | {"excitation-backprop"}:
        result = results[name]
        total = result.signed.flatten(1).double().sum(1)
        whole = result.score if name in LRP else torch.ones_like(result.score)
        near = bool(((total - whole).abs() <= 0.05 * whole.abs()).all())
        assert near == (result.validity.badge == "verified"), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "efficientnet_b0", "mobilenet_v2"])
def test_tubes_are_grad_cam_times_the_number_of_positions(name: str) -> None:
    network, inputs = calibrated(NETWORKS[name][0], NETWORKS[name][1])
    found = explain(network.double(), inputs.double(), ["saliency-tubes", "grad-cam"], 3)
    tubes, cam = found["saliency-tubes"].layer_values, found["grad-cam"].layer_values
    assert tubes is not None
    assert cam is not None
    assert torch.allclose(tubes, cam * cam[0].numel(), rtol=1e-4, atol=1e-6 * float(tubes.abs().max()))
