"""Unmodified networks of torchvision and MONAI: right layers and counts, however an activation is spelled."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
from captum import attr
from small_networks import FEW
from torch import Tensor, nn
from torchvision import models

from saliency_viewer.attribution import METHODS, explain

IDS = [method.id for method in METHODS]
RULED = [key for key in IDS if key.startswith("lrp-") or key in ("guided-backprop", "deconvnet", "excitation-backprop")]
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU)
# Network, its default layer, and how many rectifiers are functions; test_large_networks has those of the mission.
NETWORKS = {
    "resnet18": ("layer4", 0),
    "shufflenet_v2_x0_5": ("conv5", 0),
    "squeezenet1_1": ("classifier.2", 0),
    "mnasnet0_5": ("layers", 0),
    "googlenet": ("inception5b", None),
    "regnet_y_400mf": ("trunk_output", 0),
}


def network_of(name: str, size: int = 64) -> tuple[nn.Module, Tensor]:
    """A calibrated network in evaluation mode and two images."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        extra = {"init_weights": False} if name == "googlenet" else {}
        network = getattr(models, name)(weights=None, num_classes=5, **extra).train()
        if name == "googlenet":
            network.aux_logits = False
        average_all_batches(network)
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(4, 3, size, size))
        return network.eval(), torch.randn(2, 3, size, size)


def average_all_batches(network: nn.Module) -> None:
    """Running statistics as plain means, so that a few batches are enough."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None


def explained(network: nn.Module, inputs: Tensor, methods: list[str] | None = None) -> Any:
    wanted = methods or IDS
    # Hundreds of channels and patches have tests of their own on small networks.
    few = {**FEW, "score-cam": {"clusters": 3}, "occlusion": {"size": 32, "stride": 32}}
    parameters = {key: value for key, value in few.items() if key in wanted}
    return explain(network, inputs, wanted, 2, parameters=parameters, skip_undefined=True)


def rectifiers_run(network: nn.Module, inputs: Tensor) -> int:
    """Rectifier modules that one forward pass runs, counted by hooks: another way than the engine's."""
    count = 0

    def hook(*_: Any) -> None:
        nonlocal count
        count += 1

    handles = [m.register_forward_hook(hook) for m in network.modules() if isinstance(m, RECTIFIERS)]
    with torch.no_grad():
        network(inputs)
    for handle in handles:
        handle.remove()
    return count


@pytest.mark.parametrize("name", NETWORKS)
def test_every_method_answers_on_unmodified_networks(name: str) -> None:
    network, inputs = network_of(name)
    with torch.no_grad():
        before = network(inputs)
    results = explained(network, inputs)
    with torch.no_grad():
        assert torch.equal(before, network(inputs))
    layer, functional = NETWORKS[name]
    assert results["grad-cam"].layer == layer
    assert set(results) | set(results.undefined) == set(IDS)
    for key, result in results.items():
        assert bool(torch.isfinite(result.signed).all()), key
        assert bool(result.signed.flatten(1).any(1).all()) or "no evidence" in result.validity.text, key
    if functional is not None:
        executed = rectifiers_run(network, inputs) + functional
        for key in RULED:
            validity = results[key].validity
            assert validity.intercepted == validity.executed == executed, key


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5", "regnet_y_400mf"])
def test_activations_in_place_or_not_give_the_same_maps(name: str) -> None:
    network, inputs = network_of(name)
    twin = copy.deepcopy(network)
    for module in twin.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    first, second = explained(network, inputs), explained(twin, inputs)
    assert set(first) == set(second)
    for key in first:
        assert torch.equal(first[key].signed, second[key].signed), key
        assert first[key].layer == second[key].layer


def test_one_shared_rectifier_gives_the_maps_of_many() -> None:
    network, inputs = network_of("resnet18")
    twin = copy.deepcopy(network)
    shared = nn.ReLU(inplace=True)
    for module in twin.modules():
        if hasattr(module, "relu"):
            module.relu = shared
    first, second = explained(network, inputs), explained(twin, inputs)
    for key in first:
        assert torch.equal(first[key].signed, second[key].signed), key


@pytest.mark.filterwarnings("ignore:Setting (forward, )?backward hooks:UserWarning")
@pytest.mark.filterwarnings("ignore:Input Tensor .* did not already require gradients:UserWarning")
def test_the_functional_relu_of_densenet_is_guided_too() -> None:
    """captum, which sees modules only, agrees once that ReLU is a module, and misses it before."""
    network, inputs = network_of("densenet121")
    network, inputs = network.double(), inputs.double()
    twin = nn.Sequential(network.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), network.classifier).eval()
    found = explained(network, inputs, ["guided-backprop"])["guided-backprop"].values.double()
    right = attr.GuidedBackprop(twin).attribute(inputs.clone(), target=2).detach()
    scale = float(right.abs().max())
    torch.testing.assert_close(found, right, rtol=0, atol=1e-6 * scale)
    missed = attr.GuidedBackprop(network).attribute(inputs.clone(), target=2).detach()
    assert float((missed - right).abs().max()) > 0.01 * scale


class _GuidedReLU6Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where((x > 0) & (x < 6) & (gradient > 0), gradient, torch.zeros_like(gradient))


class GuidedReLU6(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _GuidedReLU6Function.apply(x)


def test_guided_relu6_equals_a_network_rebuilt_with_the_rule() -> None:
    network, inputs = network_of("mobilenet_v2")
    twin = copy.deepcopy(network)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(module, name, GuidedReLU6())
    leaf = inputs.clone().requires_grad_()
    (right,) = torch.autograd.grad(twin(leaf)[:, 2].sum(), leaf)
    found = explained(network, inputs, ["guided-backprop"])["guided-backprop"].values
    torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-6 * float(right.abs().max()))
    plain = explained(network, inputs, ["gradient"])["gradient"].values
    assert float((found - plain).abs().max()) > 0.1 * float(right.abs().max())


def test_a_prediction_beside_a_running_explanation_is_the_reference() -> None:
    network, inputs = network_of("resnet18")
    with torch.no_grad():
        reference = network(inputs)
    inside, failures = threading.Event(), []

    def predict() -> None:
        inside.wait(30)
        for _ in range(5):
            with torch.no_grad():
                if not torch.equal(network(inputs), reference):
                    failures.append("another answer")

    def progress(fraction: float, text: str) -> None:
        inside.set()

    other = threading.Thread(target=predict)
    other.start()
    wanted = ["lrp-epsilon-plus", "guided-backprop", "integrated-gradients"]
    beside = explain(network, inputs, wanted, 2, progress=progress)
    other.join(60)
    assert not other.is_alive()
    assert failures == []
    alone = explain(network, inputs, wanted, 2)
    for key in wanted:
        assert torch.equal(beside[key].signed, alone[key].signed), key


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["DenseNet121", "EfficientNetBN"])
def test_every_method_answers_on_volumes_that_shrink_to_one_voxel(kind: str) -> None:
    network, layer = volume_network(kind)
    inputs = torch.linspace(0, 40, 48 * 56 * 40).sin().reshape(1, 1, 48, 56, 40)
    results = explained(network, inputs)
    assert "padding" not in str(results["grad-cam"].layer)
    assert layer is None or results["grad-cam"].layer == layer
    assert set(results) | set(results.undefined) == set(IDS)
    for key, result in results.items():
        assert result.values.shape == (1, 1, 48, 56, 40), key
        assert bool(torch.isfinite(result.signed).all()), key
        assert bool(result.signed.any()), key
    if kind != "EfficientNetBN":  # SiLU
        validity = results["guided-backprop"].validity
        assert validity.intercepted == validity.executed == rectifiers_run(network, inputs)


def volume_network(kind: str) -> tuple[nn.Module, str | None]:
    """A calibrated 3D network of MONAI and the layer where its last maps larger than one voxel come from."""
    from monai.networks import nets

    with torch.random.fork_rng():
        torch.manual_seed(4)
        network: nn.Module = {
            "DenseNet121": lambda: nets.DenseNet121(spatial_dims=3, in_channels=1, out_channels=3),
            "EfficientNetBN": lambda: nets.EfficientNetBN(
                "efficientnet-b0", pretrained=False, spatial_dims=3, in_channels=1, num_classes=3
            ),
        }[kind]()
        average_all_batches(network.train())
        with torch.no_grad():
            network(torch.randn(2, 1, 64, 64, 64))
    return network.eval(), {"DenseNet121": "features.transition3.conv", "EfficientNetBN": None}[kind]
