"""Equality with captum, Zennit and pytorch-grad-cam where these are right, on unmodified torchvision networks."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pytest
import torch
from captum import attr
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchvision import models
from zennit.attribution import Gradient
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import (
    DeconvNet,
    EpsilonAlpha2Beta1,
    EpsilonAlpha2Beta1Flat,
    EpsilonGammaBox,
    EpsilonPlus,
    EpsilonPlusFlat,
    ExcitationBackprop,
)
from zennit.torchvision import ResNetCanonizer

from saliency_viewer.attribution import explain

# captum warns of its own ways: hooks on rectifiers, requires_grad switched on, weights read as numbers.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks:UserWarning"),
    pytest.mark.filterwarnings("ignore:Input Tensor .* did not already require gradients:UserWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar:UserWarning"),
]
LAST = {"resnet18": "layer4", "vgg11_bn": "features"}
TARGET = 7


def calibrated(name: str) -> tuple[nn.Module, Tensor]:
    """A float64 network with batch statistics of random images, and two images of 64 x 64."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = getattr(models, name)(weights=None, num_classes=10).train()
        if name == "vgg11_bn":  # the same operators with a narrower head: 120 million weights would prove no more
            network.classifier = nn.Sequential(
                nn.Linear(25088, 64), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(64, 10)
            ).train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        with torch.no_grad():
            for _ in range(4):
                network(torch.randn(8, 3, 64, 64))
        return network.double().eval(), torch.randn(2, 3, 64, 64, dtype=torch.float64)


@pytest.fixture(scope="module", params=LAST)
def subject(request: pytest.FixtureRequest) -> tuple[str, nn.Module, Tensor]:
    name = str(request.param)
    return name, *calibrated(name)


def ours(network: nn.Module, inputs: Tensor, method: str, **wishes: Any) -> Any:
    return explain(network, inputs, [method], TARGET, **wishes)[method]


def assert_equal(found: Tensor, expected: Tensor, tolerance: float = 1e-6) -> None:
    """Equal to float32 rounding, in which results are handed out."""
    assert bool(expected.any())
    scale = float(expected.abs().max())
    torch.testing.assert_close(found.double(), expected.detach().double(), rtol=0, atol=tolerance * scale)


def test_gradient_and_its_product_equal_captum(subject: tuple[str, nn.Module, Tensor]) -> None:
    _, network, inputs = subject
    plain = attr.Saliency(network).attribute(inputs.clone(), target=TARGET, abs=False)
    assert_equal(ours(network, inputs, "gradient").values, plain)
    product = attr.InputXGradient(network).attribute(inputs.clone(), target=TARGET)
    assert_equal(ours(network, inputs, "input-x-gradient").values, product)


def test_integrated_gradients_equal_captum_with_the_same_quadrature(subject: tuple[str, nn.Module, Tensor]) -> None:
    _, network, inputs = subject
    baseline = torch.full_like(inputs, -1.5)
    expected = attr.IntegratedGradients(network).attribute(
        inputs, baseline, target=TARGET, n_steps=4, method="gausslegendre", internal_batch_size=4
    )
    found = ours(
        network, inputs, "integrated-gradients", baseline=baseline, parameters={"integrated-gradients": {"steps": 4}}
    )
    assert_equal(found.values, expected)
    lacking = expected.flatten(1).sum(1) - (network(inputs) - network(baseline))[:, TARGET]
    span = network(inputs).amax(1) - network(inputs).amin(1)
    below = torch.maximum((network(inputs) - network(baseline))[:, TARGET].abs(), 0.01 * span)
    torch.testing.assert_close(found.residual.double(), (lacking / below).detach(), rtol=1e-4, atol=1e-5)


def test_guided_backprop_equals_captum(subject: tuple[str, nn.Module, Tensor]) -> None:
    _, network, inputs = subject
    expected = attr.GuidedBackprop(network).attribute(inputs.clone(), target=TARGET)
    result = ours(network, inputs, "guided-backprop")
    assert_equal(result.values, expected)
    assert result.validity.badge == "verified"
    assert result.validity.executed == rectifiers_run(network, inputs)


def rectifiers_run(network: nn.Module, inputs: Tensor) -> int:
    """Counted by forward hooks, another way than the engine's."""
    count = 0

    def hook(*_: Any) -> None:
        nonlocal count
        count += 1

    handles = [m.register_forward_hook(hook) for m in network.modules() if isinstance(m, nn.ReLU)]
    network(inputs)
    for handle in handles:
        handle.remove()
    return count


def test_layer_grad_cam_equals_captum(subject: tuple[str, nn.Module, Tensor]) -> None:
    name, network, inputs = subject
    expected = attr.LayerGradCam(network, network.get_submodule(LAST[name])).attribute(inputs.clone(), target=TARGET)
    assert_equal(ours(network, inputs, "grad-cam", layer=LAST[name]).layer_values, expected[:, 0])


def test_guided_grad_cam_equals_captum_where_the_cam_is_positive(subject: tuple[str, nn.Module, Tensor]) -> None:
    """With mixed signs captum takes the ReLU before the upsampling, we after it."""
    name, network, inputs = subject
    peer = attr.GuidedGradCam(network, network.get_submodule(LAST[name]))
    compared = 0
    for target in range(10):
        found = explain(network, inputs, ["grad-cam", "guided-grad-cam"], target, layer=LAST[name])
        positive = found["grad-cam"].layer_values.flatten(1).amin(1) > 0
        if bool(positive.any()):
            expected = peer.attribute(inputs.clone(), target, interpolate_mode="bilinear")
            assert_equal(found["guided-grad-cam"].values[positive], expected[positive])
            compared += int(positive.sum())
        if compared >= 2:
            break
    assert compared > 0


def test_the_default_layer_of_a_resnet_is_its_last_block() -> None:
    network, inputs = calibrated("resnet18")
    default, named = ours(network, inputs, "grad-cam"), ours(network, inputs, "grad-cam", layer="layer4")
    assert default.layer == "layer4"
    assert torch.equal(default.signed, named.signed)


@pytest.mark.parametrize(
    ("method", "peer"), [("grad-cam", GradCAM), ("hires-cam", HiResCAM), ("grad-cam-plus-plus", GradCAMPlusPlus)]
)
def test_cams_equal_pytorch_grad_cam(subject: tuple[str, nn.Module, Tensor], method: str, peer: Any) -> None:
    name, network, inputs = subject
    # Its Grad-CAM++ adds 1e-6 to the denominator, which vanishes beside large gradients only.
    louder = nn.Sequential(network, Louder(1e6)).eval()
    layer = network.get_submodule(LAST[name])
    with peer(model=louder, target_layers=[layer]) as cam:
        outputs = cam.activations_and_grads(inputs)
        sum(ClassifierOutputTarget(TARGET)(output) for output in outputs).backward()
        activations = cam.activations_and_grads.activations[0].numpy()
        gradients = cam.activations_and_grads.gradients[0].numpy()
        raw = cam.get_cam_image(inputs, layer, None, activations, gradients, False)
    network.zero_grad(set_to_none=True)
    found = ours(louder, inputs, method, layer=f"0.{LAST[name]}").layer_values
    assert_equal(found, torch.from_numpy(np.ascontiguousarray(raw)))


class Louder(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


LOW, HIGH = -4.5, 5.0
BY_ZENNIT = {
    "lrp-epsilon-plus": EpsilonPlus,
    "lrp-epsilon-plus-flat": EpsilonPlusFlat,
    "lrp-epsilon-alpha2-beta1": EpsilonAlpha2Beta1,
    "lrp-epsilon-alpha2-beta1-flat": EpsilonAlpha2Beta1Flat,
    "lrp-epsilon-gamma-box": functools.partial(EpsilonGammaBox, torch.tensor(LOW), torch.tensor(HIGH)),
    "excitation-backprop": ExcitationBackprop,
    "deconvnet": DeconvNet,
}


@pytest.mark.parametrize("method", BY_ZENNIT)
def test_backward_rules_equal_zennit(subject: tuple[str, nn.Module, Tensor], method: str) -> None:
    name, network, inputs = subject
    canonizer = ResNetCanonizer() if name == "resnet18" else SequentialMergeBatchNorm()
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0  # Zennit's merged normalisation still divides by sqrt(1 + eps)

    def start(output: Tensor) -> Tensor:
        chosen = torch.zeros_like(output)
        chosen[:, TARGET] = output[:, TARGET] if method.startswith("lrp") else 1.0
        return chosen

    with Gradient(network, BY_ZENNIT[method](canonizers=[canonizer])) as attributor:
        _, expected = attributor(inputs.clone().requires_grad_(), start)
    result = ours(network, inputs, method, input_range=(LOW, HIGH))
    assert_equal(result.values, expected)
    assert result.validity.intercepted == result.validity.executed == rectifiers_run(network, inputs)
    if not method.startswith("lrp"):
        return
    logit = network(inputs)[:, TARGET].detach()
    span = network(inputs).amax(1) - network(inputs).amin(1)
    lacking = (expected.flatten(1).sum(1) - logit) / torch.maximum(logit.abs(), 0.01 * span)
    torch.testing.assert_close(result.residual.double(), lacking.detach(), rtol=1e-3, atol=1e-4)
