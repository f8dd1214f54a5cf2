"""Score-CAM, Ablation-CAM and the formulas of class activation maps, against slow loops and pytorch-grad-cam."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from formulas import double_inputs, one, top
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from small_networks import inputs_for, make
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from saliency_viewer.attribution import explain

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
TARGET = 1


def enlarged(maps: Tensor, size: Any) -> Tensor:
    return functional.interpolate(maps, size=tuple(size), mode=MODES[len(size)], align_corners=False)


def naive_score_cam(network: nn.Module, layer: nn.Module, x: Tensor) -> Tensor:
    """The published formula for one input, channel by channel."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _m, _i, out: kept.append(out.detach().clone()))
    with torch.no_grad():
        network(x)
        handle.remove()
        scores, maps = [], []
        for channel in kept[0][0]:
            mask = enlarged(channel[None, None], x.shape[2:])
            if float(mask.max() - mask.min()) == 0:
                continue
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            scores.append(network(x * mask)[0, TARGET])
            maps.append(channel)
        weights = torch.softmax(torch.stack(scores), 0)
    return sum(w * m for w, m in zip(weights, maps, strict=True))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_score_cam_equals_a_slow_loop(axes: int) -> None:
    network, x = make("plain", axes).double(), inputs_for(axes, 2).double()
    found = one(network, x, "score-cam", TARGET, layer="features.3", batch_size=3)
    for row in range(2):
        expected = naive_score_cam(network, network.features[3], x[row : row + 1])
        assert torch.allclose(found.layer_values[row].double(), expected, rtol=0, atol=1e-6 * top(expected))
    assert found.validity.badge == "verified"


class Channels(nn.Module):
    """A ReLU whose channels are given multiples of one another's shapes; the score is their weighted mean."""

    def __init__(self, kernels: Tensor, weights: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, len(kernels), 3, padding=1, bias=False)
        self.head = nn.Linear(len(kernels), 2, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(kernels)
            self.head.weight.copy_(torch.stack([torch.zeros_like(weights), weights]))
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.conv(x)).mean((2, 3)))
        return out


def kernels(count: int, seed: int = 3) -> Tensor:
    return torch.randn(count, 2, 3, 3, generator=torch.Generator().manual_seed(seed))


def test_one_channel_is_its_own_score_cam() -> None:
    network, x = Channels(kernels(1), torch.tensor([-2.0])), double_inputs()
    found = one(network, x, "score-cam", TARGET)
    expected = torch.relu(network.conv(x))[:, 0]
    assert torch.allclose(found.layer_values.double(), expected.detach(), atol=1e-6)


def test_flat_channels_leave_before_the_softmax() -> None:
    some = kernels(3)
    some[1] = 0.0  # its map is zero everywhere
    network, x = Channels(some, torch.tensor([1.0, 50.0, -1.0])), double_inputs()
    without = Channels(some[[0, 2]], torch.tensor([1.0, -1.0]))
    found, expected = (one(n, x, "score-cam", TARGET).layer_values for n in (network, without))
    assert torch.allclose(found, expected, atol=1e-7)


def test_only_flat_channels_are_no_evidence() -> None:
    network = Channels(torch.zeros(2, 2, 3, 3), torch.tensor([1.0, 2.0]))
    found = one(network, double_inputs(), "score-cam", TARGET)
    assert not bool(found.signed.any())
    assert "no evidence" in found.validity.text


def test_clusters_are_exact_for_equal_shapes_and_always_said_to_be_an_approximation() -> None:
    base = kernels(2)
    scales = torch.tensor([1.0, 3.0, 0.5])[:, None, None, None]
    network = Channels(torch.cat([base[:1] * scales, base[1:] * scales]), torch.linspace(-1, 2, 6))
    x = double_inputs()
    full = one(network, x, "score-cam", TARGET)
    two = one(network, x, "score-cam", TARGET, clusters=2)
    assert torch.allclose(two.layer_values, full.layer_values, atol=1e-6 * top(full.layer_values))
    assert (full.validity.badge, two.validity.badge) == ("verified", "approximate")
    assert "2 clusters stand for 6 channels" in two.validity.text
    assert one(network, x, "score-cam", TARGET, clusters=6).validity.badge == "verified"


def test_many_clusters_warn_of_nothing() -> None:
    """Channels of few different shapes leave clusters empty, which k-means would complain of."""
    base = kernels(2)
    network = Channels(base.repeat_interleave(4, 0), torch.linspace(-1, 2, 8))
    found = one(network, double_inputs(), "score-cam", TARGET, clusters=5)
    full = one(network, double_inputs(), "score-cam", TARGET)
    assert torch.allclose(found.layer_values, full.layer_values, atol=1e-6)
    assert found.validity.badge == "approximate"


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_ablation_cam_equals_a_slow_loop(axes: int) -> None:
    network, x = make("plain", axes).double(), inputs_for(axes, 2).double()
    found = one(network, x, "ablation-cam", TARGET)
    for row in range(2):
        with torch.no_grad():
            maps = network.features(x[row : row + 1])
            score = network.head(maps.flatten(2).mean(-1))[0, TARGET]
            cam = torch.zeros_like(maps[0, 0])
            for channel in range(maps.shape[1]):
                left = maps.clone()
                left[:, channel] = 0
                changed = network.head(left.flatten(2).mean(-1))[0, TARGET]
                cam += (score - changed) / score.abs() * maps[0, channel]
        assert torch.allclose(found.layer_values[row].double(), cam, rtol=0, atol=1e-6 * top(cam))


# --- pytorch-grad-cam on an unmodified ResNet ---------------------------------------------------------------------


@pytest.fixture(scope="module", name="resnet")
def give_resnet() -> tuple[nn.Module, Tensor]:
    """A calibrated ResNet-18 in double precision and two images of 64 x 64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = models.resnet18(weights=None, num_classes=10).train()
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(8, 3, 64, 64))
        return network.eval().double(), torch.randn(2, 3, 64, 64, dtype=torch.float64)


class Bare(nn.Module):
    """pytorch-grad-cam's classes scale their maps one by one; this one stops before."""

    def __init__(self, name: str, network: nn.Module, layer: nn.Module) -> None:
        super().__init__()
        self.method = getattr(pytorch_grad_cam, name)(network, [layer])

    def maps(self, x: Tensor, target: int) -> Tensor:
        """(N, rows, columns) at the layer."""
        targets = [ClassifierOutputTarget(target)] * len(x)
        with self.method as method:
            outputs = method.activations_and_grads(x.clone().requires_grad_(method.uses_gradients))
            a = method.activations_and_grads.activations[0].numpy()
            g = None
            if method.uses_gradients:
                sum(t(o) for t, o in zip(targets, outputs, strict=True)).backward()
                g = method.activations_and_grads.gradients[0].numpy()
            return torch.as_tensor(method.get_cam_image(x, method.target_layers[0], targets, a, g, False))


LIKE = {
    "layer-cam": "LayerCAM",
    "xgrad-cam": "XGradCAM",
    "eigen-cam": "EigenCAM",
    "eigen-grad-cam": "EigenGradCAM",
    "kpca-cam": "KPCA_CAM",
    "fem": "FEM",
    "grad-cam-elementwise": "GradCAMElementWise",
}
NO_SIGN = {"eigen-cam", "eigen-grad-cam", "kpca-cam"}


@pytest.mark.parametrize("key", LIKE)
def test_maps_equal_pytorch_grad_cam_s_own_run(key: str, resnet: tuple[nn.Module, Tensor]) -> None:
    network, x = resnet
    layer = "layer3"  # 4 x 4 positions
    expected = Bare(LIKE[key], network, network.get_submodule(layer)).maps(x, 7)
    found = one(network, x, key, 7, layer=layer).layer_values.double()
    assert expected.shape == found.shape
    for mine, theirs in zip(found, expected.double(), strict=True):
        turned = -1.0 if key in NO_SIGN and float((mine * theirs).sum()) < 0 else 1.0
        assert top(theirs) > 0
        assert torch.allclose(turned * mine, theirs, rtol=0, atol=2e-5 * top(theirs))


def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library draws progress bars."""
    for module in (pytorch_grad_cam.ablation_cam, pytorch_grad_cam.score_cam):
        monkeypatch.setattr(module.tqdm, "tqdm", lambda items: items)


def test_ablation_cam_equals_pytorch_grad_cam(
    resnet: tuple[nn.Module, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library divides by f, which turns maps of negative scores round."""
    quiet(monkeypatch)
    network, x = resnet
    with torch.no_grad():
        signs = network(x).sign()
    target = int((signs[0] != signs[1]).nonzero()[0])
    method = pytorch_grad_cam.AblationCAM(network, [network.layer1])
    with torch.no_grad():
        scores = network(x)[:, target]
        assert float(scores.amin()) < 0 < float(scores.amax())
        kept: list[Tensor] = []
        handle = network.layer1.register_forward_hook(lambda _m, _i, out: kept.append(out.clone()))
        network(x)
        handle.remove()
    with method:
        targets = [ClassifierOutputTarget(target)] * len(x)
        weights = method.get_cam_weights(x, network.layer1, targets, kept[0].numpy(), None)
    maps = (torch.as_tensor(weights).double()[..., None, None] * kept[0]).sum(1) * scores.sign()[:, None, None]
    found = one(network, x, "ablation-cam", target, layer="layer1").layer_values.double()
    for mine, theirs in zip(found, maps, strict=True):
        assert torch.allclose(mine, theirs, rtol=0, atol=1e-4 * top(theirs))


def test_score_cam_equals_pytorch_grad_cam_with_our_upsampling(
    resnet: tuple[nn.Module, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library enlarges masks with align_corners=True, the paper's code and ours without."""
    quiet(monkeypatch)
    network, x = resnet
    theirs = Bare("ScoreCAM", network, network.layer1)
    theirs.method.batch_size = 64
    aligned = theirs.maps(x[:1], 7).double()

    class Unaligned(nn.Upsample):
        def forward(self, values: Tensor) -> Tensor:
            return functional.interpolate(values, self.size, mode="bilinear", align_corners=False)

    monkeypatch.setattr(pytorch_grad_cam.score_cam.torch.nn, "UpsamplingBilinear2d", Unaligned)
    same = Bare("ScoreCAM", network, network.layer1)
    same.method.batch_size = 64
    expected = same.maps(x[:1], 7).double()
    found = one(network, x[:1], "score-cam", 7, layer="layer1").layer_values.double()
    assert torch.allclose(found, expected, rtol=0, atol=1e-4 * top(expected))
    assert found.shape == (1, 16, 16)  # no channel is flat: the library would let flat ones into the softmax
    assert not torch.allclose(found, aligned, rtol=0, atol=1e-3 * top(expected))


def test_full_grad_equals_pytorch_grad_cam_s_own_run(resnet: tuple[nn.Module, Tensor]) -> None:
    network, x = resnet
    expected = []
    for row in range(2):
        with pytorch_grad_cam.FullGrad(out_of_place(network), []) as method:
            expected.append(torch.as_tensor(method(x[row : row + 1].clone(), [ClassifierOutputTarget(7)])))
    found = one(network, x, "full-grad", 7).signed.sum(1).double()
    for mine, theirs in zip(found, torch.cat(expected).double(), strict=True):
        assert top(theirs) > 0
        assert torch.allclose(mine, theirs, rtol=0, atol=1e-5 * top(theirs))


def out_of_place(network: nn.Module) -> nn.Module:
    """A copy whose rectifiers overwrite nothing: the library's hooks would see later values."""
    copied = copy.deepcopy(network)
    for module in copied.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return copied


def test_formulas_of_the_library_are_refused_in_other_dimensions() -> None:
    keys = ["eigen-grad-cam", "kpca-cam", "fem", "grad-cam-elementwise", "full-grad"]
    for axes in (1, 3):
        results = explain(make("plain", axes), inputs_for(axes), keys, 1, skip_undefined=True)
        assert set(results.undefined) == set(keys)
        assert "two-dimensional" in results.undefined["fem"].message


def test_eigen_cam_s_component_is_oriented_by_the_activations() -> None:
    """Its sign is chosen, not left to the decomposition: the map of a network and of its mirror image are the same."""
    network, x = make("plain", 2).double(), inputs_for(2, 2).double()
    found = one(network, x, "eigen-cam", TARGET).layer_values
    maps = network.features(x).detach()
    centred = maps - maps.mean((2, 3), keepdim=True)
    agreement = (found.double() * centred.mean(1)).sum((1, 2))
    assert bool((agreement > 0).all())
    assert np.isfinite(found.numpy()).all()
