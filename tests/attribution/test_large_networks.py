"""Unmodified networks of torchvision, MONAI, timm and torchxrayvision through every method."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import timm
import torch
import torchxrayvision
from monai.networks.nets import DenseNet121, EfficientNetBN, SEResNet50, resnet18
from torch import Tensor, nn
from torchvision import models

from saliency_viewer.attribution import METHODS, Results, explain

IDS = [found.id for found in METHODS]
GUIDED = {"guided-backprop", "guided-grad-cam", "deconvnet"}
LRP = {key for key in IDS if key.startswith("lrp-")}
RULES = GUIDED | LRP | {"excitation-backprop", "deep-lift", "layer-deep-lift"}
TUBES = {"saliency-tubes"}
FLAT_ONLY = {"eigen-grad-cam", "kpca-cam", "fem", "grad-cam-elementwise", "full-grad"}  # of a library for pictures
SQUARE, GREY = (1, 3, 64, 64), (1, 1, 64, 64)
VOLUME = (1, 1, 40, 16, 16)  # two positions are left at the end


@dataclass(frozen=True)
class Row:
    """``activations``: run in one forward pass; ``refused``: method ids; ``layer``: that CAMs read.

    ``reasons``: words that refusals of rules must hold; ``extended``: words on how rules were generalised.
    """

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    activations: int
    layer: str
    refused: set[str] = field(default_factory=set)
    reasons: dict[str, str] = field(default_factory=dict)
    extended: dict[str, str] = field(default_factory=dict)


def torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: getattr(models, name)(weights=None, num_classes=5, **options)


def monai(kind: Callable[..., nn.Module], axes: int) -> Callable[[], nn.Module]:
    outputs = "out_channels" if kind is DenseNet121 else "num_classes"
    return lambda: kind(spatial_dims=axes, in_channels=1, **{outputs: 3})


def monai_resnet(axes: int) -> Callable[[], nn.Module]:
    return lambda: resnet18(spatial_dims=axes, n_input_channels=1, num_classes=3)


def monai_efficientnet(axes: int) -> Callable[[], nn.Module]:
    names = {"model_name": "efficientnet-b0", "pretrained": False, "in_channels": 1, "num_classes": 3}
    return lambda: EfficientNetBN(spatial_dims=axes, **names)


def chest(operating_points: bool) -> Callable[[], nn.Module]:
    """With operating points the network ends in a sigmoid and a masked, piecewise linear scaling of probabilities."""

    def build() -> nn.Module:
        network = torchxrayvision.models.DenseNet(weights=None, num_classes=18)
        network.op_threshs = torch.linspace(0.02, 0.5, 18) if operating_points else None
        return network

    return build


SILU = {"guided-backprop": "silu", "deconvnet": "silu"}
GELU = {"guided-backprop": "gelu", "deconvnet": "gelu", "lrp-epsilon-plus": "layer_norm", "deep-lift": "layer_norm"}
GATES = {"lrp-epsilon-plus": "gates take no relevance", "deep-lift": "half and half"}
SWISHED = {**GATES, "excitation-backprop": "silu by its gradient"}
NETWORKS: dict[str, Row] = {
    "resnet50": Row(torchvision("resnet50"), SQUARE, 49, "layer4"),
    "vgg16": Row(torchvision("vgg16"), SQUARE, 15, "avgpool", TUBES),
    "densenet121": Row(torchvision("densenet121"), SQUARE, 121, "features → relu"),
    "efficientnet_b0": Row(torchvision("efficientnet_b0"), SQUARE, 49, "features", GUIDED, SILU, SWISHED),
    "efficientnet_v2_s": Row(torchvision("efficientnet_v2_s"), SQUARE, 102, "features", GUIDED, SILU, SWISHED),
    "mobilenet_v2": Row(
        torchvision("mobilenet_v2"), SQUARE, 35, "features", set(), {}, {"guided-backprop": "relu6 treated like ReLU"}
    ),
    "mobilenet_v3_large": Row(
        torchvision("mobilenet_v3_large"),
        SQUARE,
        40,
        "features",
        GUIDED | TUBES,
        {"guided-backprop": "hardswish", "deconvnet": "hardswish"},
        {**GATES, "excitation-backprop": "hardswish by its gradient"},
    ),
    # Its helper head has layers that never run when evaluating.
    "inception_v3": Row(
        torchvision("inception_v3", init_weights=False, transform_input=True), (1, 3, 139, 139), 94, "Mixed_7c"
    ),
    "convnext_tiny": Row(torchvision("convnext_tiny"), SQUARE, 0, "features", RULES | TUBES, GELU),
    "vit_b_16": Row(
        torchvision("vit_b_16", image_size=64),
        SQUARE,
        0,
        "encoder.layers.encoder_layer_11.ln_1",
        RULES | TUBES,
        GELU,
    ),
    "swin_t": Row(torchvision("swin_t"), SQUARE, 0, "permute", RULES, GELU),
    "monai densenet121": Row(monai(DenseNet121, 2), GREY, 121, "class_layers.relu"),
    "monai densenet121 3d": Row(monai(DenseNet121, 3), (1, 1, 64, 32, 32), 121, "class_layers.relu", FLAT_ONLY),
    "monai resnet18": Row(monai_resnet(2), GREY, 17, "layer4"),
    "monai resnet18 3d": Row(monai_resnet(3), VOLUME, 17, "layer4", FLAT_ONLY),
    "monai efficientnet": Row(monai_efficientnet(2), GREY, 49, "_swish", GUIDED, SILU, SWISHED),
    "monai efficientnet 3d": Row(
        monai_efficientnet(3), (1, 1, 64, 32, 32), 49, "_swish", GUIDED | FLAT_ONLY, SILU, SWISHED
    ),
    "monai seresnet50": Row(monai(SEResNet50, 2), GREY, 65, "layer4", set(), {}, GATES),
    "monai seresnet50 3d": Row(monai(SEResNet50, 3), VOLUME, 65, "layer4", FLAT_ONLY, {}, GATES),
    "timm efficientnetv2": Row(
        lambda: timm.create_model("efficientnetv2_rw_t", pretrained=False, num_classes=5),
        SQUARE,
        99,
        "bn2",
        GUIDED,
        SILU,
        SWISHED,
    ),
    "torchxrayvision": Row(chest(False), (1, 1, 64, 64), 121, "features → relu"),
    # Its scaling depends on the probability itself, outside any rule of differences.
    "torchxrayvision, operating points": Row(
        chest(True), (1, 1, 96, 96), 121, "features → relu", TUBES | {"deep-lift", "layer-deep-lift"}
    ),
}
FEW: dict[str, dict[str, Any]] = {
    **{key: {"samples": 2} for key in ("smooth-grad", "smooth-grad-squared", "var-grad", "gradient-shap", "rise")},
    **{key: {"samples": 2, "steps": 1} for key in ("smooth-integrated-gradients", "noise-tunnel-ig")},
    **{key: {"steps": 2} for key in ("integrated-gradients", "blur-ig", "guided-ig", "xrai")},
    "score-cam": {"clusters": 2},
    "occlusion": {"size": 48, "stride": 48},
}


def calibrated(name: str) -> tuple[nn.Module, Tensor]:
    """Random weights with the batch statistics that fit them, and an input in the network's own range."""
    row = NETWORKS[name]
    loud = name.startswith("torchxrayvision")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = row.build().eval()
        if isinstance(network, models.VisionTransformer):
            nn.init.normal_(network.heads.head.weight, std=0.1)  # it starts at zero, where nothing has a gradient
        for norm in (m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
            norm.train().momentum = None  # a plain mean over the batches
        batches = [torch.randn(size, *row.shape[1:]) for size in (4, 4, 1)]
        if loud:
            batches = [(400 * batch).clamp(-1024, 1024) for batch in batches]
        with torch.no_grad():
            for batch in batches[:2]:
                network(batch)
        return network.eval(), batches[2]


@dataclass(frozen=True, eq=False)
class Case:
    row: Row
    network: nn.Module
    inputs: Tensor
    results: Results


@pytest.fixture(scope="module", params=NETWORKS)
def case(request: pytest.FixtureRequest) -> Case:
    network, inputs = calibrated(request.param)
    with torch.no_grad():
        before = network(inputs)
    results = explain(network, inputs, IDS, 1, parameters=FEW, skip_undefined=True, baseline="blur")
    with torch.no_grad():
        assert torch.equal(before, network(inputs))
    return Case(NETWORKS[request.param], network, inputs, results)


@pytest.mark.slow
def test_every_method_gives_a_finite_map_or_says_why_not(case: Case) -> None:
    assert set(case.results.undefined) == case.row.refused
    assert case.results["grad-cam"].layer == case.row.layer
    for name, result in case.results.items():
        assert result.signed.shape[2:] == case.inputs.shape[2:]
        assert torch.isfinite(result.signed).all(), name
        assert result.signed.any() or "no evidence" in result.validity.text, name
        assert result.validity.badge in ("verified", "approximate"), name
    for name, word in case.row.reasons.items():
        assert word in case.results.undefined[name].message
    for name, words in case.row.extended.items():
        assert words in case.results[name].validity.text


@pytest.mark.slow
def test_the_rules_reach_every_activation_that_runs(case: Case) -> None:
    for name in (RULES - {"guided-grad-cam"}) & set(case.results):
        validity = case.results[name].validity
        assert (validity.intercepted, validity.executed) == (case.row.activations, case.row.activations), name


@pytest.mark.slow
def test_the_gradient_is_autograd_s(case: Case) -> None:
    if getattr(case.network, "op_threshs", None) is not None:
        pytest.skip("torchxrayvision's operating points are for single precision only")
    # In single precision these random networks' gradients differ by parts of a percent between numbers of threads.
    exact, leaf = copy.deepcopy(case.network).double(), case.inputs.double().requires_grad_()
    (expected,) = torch.autograd.grad(exact(leaf)[:, 1].sum(), leaf)
    found = explain(exact, case.inputs.double(), ["gradient"], 1)["gradient"].signed
    assert torch.allclose(found, expected.float(), rtol=0, atol=1e-6 * float(expected.abs().max()))


@pytest.mark.slow
def test_contributions_sum_to_the_change_and_relevance_is_near_the_score_or_marked(case: Case) -> None:
    results = case.results
    for name in {"deep-lift", "layer-deep-lift"} & set(results):
        assert float(results[name].residual.abs().max()) < 1e-2, name
    for name in (LRP | {"excitation-backprop"}) & set(results):
        result = results[name]
        total = result.signed.flatten(1).double().sum(1)
        whole = result.score if name in LRP else torch.ones_like(result.score)
        near = bool(((total - whole).abs() <= 0.05 * whole.abs()).all())
        assert near == (result.validity.badge == "verified"), name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "efficientnet_b0", "mobilenet_v2", "timm efficientnetv2"])
def test_tubes_are_grad_cam_times_the_number_of_positions(name: str) -> None:
    network, inputs = calibrated(name)
    found = explain(network.double(), inputs.double(), ["saliency-tubes", "grad-cam"], 3)
    tubes, cam = found["saliency-tubes"].layer_values, found["grad-cam"].layer_values
    assert tubes is not None
    assert cam is not None
    assert torch.allclose(tubes, cam * cam[0].numel(), rtol=1e-4, atol=1e-6 * float(tubes.abs().max()))


def test_ablation_takes_single_channels_of_token_layers_away() -> None:
    torch.manual_seed(2)
    network = models.VisionTransformer(
        64, 16, num_layers=2, num_heads=4, hidden_dim=48, mlp_dim=96, num_classes=5
    ).eval()
    nn.init.normal_(network.heads.head.weight, std=0.1)  # it starts at zero, where nothing has a gradient
    inputs = torch.randn(SQUARE)
    found = explain(network, inputs, "ablation-cam", 1)["ablation-cam"]
    assert found.layer == "encoder.layers.encoder_layer_1.ln_1"
    layer = network.get_submodule(found.layer)
    kept: list[Tensor] = []

    def without(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        """Row k of the batch loses channel k at the patches; the last row keeps everything."""
        kept.append(output[-1, 1:].T)
        changed = output.clone()
        for channel in range(output.shape[2]):
            changed[channel, 1:, channel] = 0
        return changed

    handle = layer.register_forward_hook(without)
    with torch.no_grad():
        scores = network(inputs.expand(49, -1, -1, -1))[:, 1]
    handle.remove()
    weights = (scores[-1] - scores[:-1]) / scores[-1].abs()
    expected = torch.einsum("k,kij->ij", weights, kept[0].reshape(48, 4, 4))
    assert torch.allclose(found.layer_values[0], expected, rtol=0, atol=1e-3 * float(expected.abs().max()))
