"""Networks in which the layer of a class activation map is easily mistaken for something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from formulas import top
from monai.networks.nets import ViT
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from saliency_viewer.attribution import explain
from saliency_viewer.errors import UserError


class Wired(nn.Module):
    """Named parts, wired by a function."""

    def __init__(self, wiring: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.wiring = wiring
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Any:
        return self.wiring(self, x)


def seeded(make: Callable[[], nn.Module], *shape: int) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode none of whose matrices is zero, and an input."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = make().eval()
        for parameter in network.parameters():
            if not bool(parameter.any()):
                nn.init.normal_(parameter, std=0.1)
        return network, torch.randn(shape)


def small_vit(name: str, **more: Any) -> nn.Module:
    size = {"embed_dim": 24, "num_heads": 3, "depth": 3, "img_size": 32, "patch_size": 8}
    return timm.create_model(name, pretrained=False, num_classes=3, **size, **more)


def monai_vit(axes: int) -> nn.Module:
    size = {"hidden_size": 24, "mlp_dim": 24, "num_layers": 3, "num_heads": 3, "num_classes": 3}
    inner = ViT(1, (16,) * axes, (4,) * axes, classification=True, spatial_dims=axes, **size)
    return Wired(lambda net, x: net.inner(x)[0], inner=inner)


TRANSFORMERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "timm, class token": (lambda: small_vit("vit_tiny_patch16_224"), (2, 3, 32, 32), "blocks.2.norm1"),
    "timm, pooled by attention": (lambda: small_vit("vit_base_patch16_siglip_224"), (2, 3, 32, 32), "norm"),
    "MONAI": (lambda: monai_vit(2), (2, 1, 16, 16), "inner.blocks.2.norm1"),
    "MONAI, volumes": (lambda: monai_vit(3), (2, 1, 16, 16, 16), "inner.blocks.2.norm1"),
}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_what_is_inside_an_attention_is_no_feature_map(name: str, fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.layers.config._USE_FUSED_ATTN", int(fused))
    make, shape, layer = TRANSFORMERS[name]
    network, x = seeded(make, *shape)
    found = explain(network, x, ["grad-cam", "ablation-cam"], 1)
    for result in found.values():
        assert result.layer == layer
        assert result.layer_values.shape == (2, *[4] * (x.ndim - 2))
        assert top(result.signed) > 0


def in_slices(net: Any, x: Tensor) -> Tensor:
    samples, slices, *plane = x.shape
    features = functional.relu(net.conv(x.reshape(-1, 1, *plane))).mean((2, 3))
    return net.head(features.view(samples, slices, -1).mean(1))


def test_maps_of_single_slices_are_not_maps_of_the_input() -> None:
    network, x = seeded(lambda: Wired(in_slices, conv=nn.Conv2d(1, 6, 3), head=nn.Linear(6, 3)), 1, 5, 12, 10)
    found = explain(network, x, ["grad-cam", "ablation-cam", "score-cam", "gradient"], 1, skip_undefined=True)
    assert set(found) == {"gradient"}
    with pytest.raises(UserError, match="5 pieces"):
        explain(network, x, "grad-cam", 1, layer="conv")


def by_recurrence(net: Any, x: Tensor) -> Tensor:
    out, _ = net.memory(functional.relu(net.conv(x)).transpose(1, 2))
    return net.head(out[:, -1])


def by_transformer(net: Any, x: Tensor) -> Tensor:
    return net.head(net.blocks(net.conv(x).transpose(1, 2)).mean(1))


def by_pixel(net: Any, x: Tensor) -> Tensor:
    return net.head(functional.relu(net.mix(net.conv(x).permute(0, 2, 3, 1))).mean((1, 2)))


def block() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)


TURNED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "a recurrent layer": (
        lambda: Wired(
            by_recurrence, conv=nn.Conv1d(2, 8, 5), memory=nn.LSTM(8, 6, batch_first=True), head=nn.Linear(6, 3)
        ),
        (2, 2, 40),
    ),
    "a transformer of signals": (
        lambda: Wired(by_transformer, conv=nn.Conv1d(2, 8, 5), blocks=block(), head=nn.Linear(8, 3)),
        (2, 2, 40),
    ),
    "a linear layer for every pixel": (
        lambda: Wired(by_pixel, conv=nn.Conv2d(2, 8, 3), mix=nn.Linear(8, 7), head=nn.Linear(7, 3)),
        (2, 2, 20, 18),
    ),
}


@pytest.mark.parametrize("name", TURNED)
def test_channels_that_became_the_last_axis_are_channels(name: str) -> None:
    make, shape = TURNED[name]
    network, x = seeded(make, *shape)
    for key in ("grad-cam", "ablation-cam"):
        found = explain(network, x, key, 1)[key]
        reach = 4 if x.ndim == 3 else 2  # of the unpadded kernel
        assert found.layer_values.shape == (2, *[size - reach for size in x.shape[2:]])


def test_maps_as_wide_as_tokens_are_long_keep_their_channels() -> None:
    """Sixteen columns, six channels, and tokens of sixteen values behind."""

    def tokens(net: Any, x: Tensor) -> Tensor:
        maps = functional.relu(net.conv(x))
        return net.head(net.mix(maps.flatten(2).transpose(1, 2)).mean(1))

    network, x = seeded(
        lambda: Wired(tokens, conv=nn.Conv2d(2, 6, 3, padding=1), mix=nn.Linear(6, 16), head=nn.Linear(16, 3)),
        1, 2, 12, 16,
    )  # fmt: skip
    for layer in (None, "conv"):
        assert explain(network, x, "grad-cam", 1, layer=layer)["grad-cam"].layer_values.shape == (1, 12, 16)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_weight_that_is_computed_is_no_layer(samples: int) -> None:
    def make() -> nn.Module:
        head = parametrizations.weight_norm(nn.Conv2d(8, 3, 5))
        return nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), head, nn.Flatten())

    network, x = seeded(make, samples, 2, 7, 7)
    assert explain(network, x, "grad-cam", 1)["grad-cam"].layer == "1"


def filled(net: Any, x: Tensor) -> Tensor:
    one, other = net.one(x), net.other(x)
    maps = one.new_empty(len(x), 8, *one.shape[2:])
    maps[:, :4].copy_(one)
    maps[:, 4:].copy_(other)
    return net.head(maps.mean((2, 3)))


def test_a_layer_that_is_filled_in_parts_has_its_gradient_and_cannot_be_exchanged() -> None:
    def make() -> nn.Module:
        return Wired(filled, one=nn.Conv2d(2, 4, 3), other=nn.Conv2d(2, 4, 3), head=nn.Linear(8, 3))

    network, x = seeded(make, 1, 2, 9, 9)
    found = explain(network, x, ["grad-cam", "ablation-cam"], 1, skip_undefined=True)
    assert set(found.undefined) == {"ablation-cam"}
    maps = torch.cat([network.one(x), network.other(x)], 1).detach()
    expected = (network.head.weight[1].detach()[:, None, None] / 49 * maps[0]).sum(0)
    assert torch.allclose(found["grad-cam"].layer_values[0], expected, atol=1e-5 * top(expected))


def test_the_image_itself_is_no_layer() -> None:
    network, x = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(2 * 7 * 6, 3)), 1, 2, 7, 6)
    assert "grad-cam" in explain(network, x, "grad-cam", 1, skip_undefined=True).undefined


def test_each_head_of_several_is_found() -> None:
    def two(net: Any, x: Tensor) -> Any:
        features = functional.relu(net.conv(x)).mean((2, 3))
        return net.disease(features), net.age(features)

    network, x = seeded(
        lambda: Wired(two, conv=nn.Conv2d(2, 4, 3), disease=nn.Linear(4, 3), age=nn.Linear(4, 1)), 1, 2, 9, 9
    )
    expected = (network.disease.weight[1].detach()[:, None, None] * functional.relu(network.conv(x))[0].detach()).sum(0)
    found = explain(network, x, "saliency-tubes", 1)["saliency-tubes"]
    assert torch.allclose(found.layer_values[0], expected, atol=1e-5 * top(expected))


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_guided_methods_refuse_recurrent_layers(layer: type[nn.RNNBase]) -> None:
    def make() -> nn.Module:
        return Wired(by_recurrence, conv=nn.Conv1d(2, 8, 5), memory=layer(8, 6, batch_first=True), head=nn.Linear(6, 3))

    network, x = seeded(make, 1, 2, 20)
    methods = ["guided-backprop", "deconvnet", "lrp-epsilon-plus", "deep-lift"]
    assert set(explain(network, x, methods, 1, skip_undefined=True).undefined) == set(methods)
