"""Token layers and channels-last maps: which layer is found, how it becomes a grid, and the map that follows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from formulas import one, top
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from saliency_viewer.attribution import explain
from saliency_viewer.attribution.layer_forms import Form, Forms
from saliency_viewer.errors import UserError

TARGET = 1


class Block(nn.Module):
    """A transformer's block: norm, self-attention, norm, two linear layers, with skips."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.out(functional.scaled_dot_product_attention(q, k, v))
        found: Tensor = x + self.mlp(self.norm2(x))
        return found


class Tokens(nn.Module):
    """Patches of four, ``extra`` class tokens, blocks, norm; the head reads the first token, or the patches' mean."""

    def __init__(self, axes: int = 2, extra: int = 1, pooled: bool = False) -> None:
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[axes]
        self.patches = conv(2, 12, 4, stride=4)
        self.extra = nn.Parameter(torch.randn(1, extra, 12))
        self.blocks = nn.Sequential(Block(12), Block(12))
        self.norm, self.head, self.pooled = nn.LayerNorm(12), nn.Linear(12, 3), pooled

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        count = self.extra.shape[1]
        tokens = self.norm(self.blocks(torch.cat([self.extra.expand(len(x), -1, -1), tokens], 1)))
        out: Tensor = self.head(tokens[:, count:].mean(1) if self.pooled else tokens[:, 0])
        return out


class Shifted(nn.Module):
    """Channels last, as Swin and ConvNeXt have them: norm over the last axis, linear layers, then mean over space."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.norm1, self.norm2 = nn.Conv2d(2, 10, 2, stride=2), nn.LayerNorm(10), nn.LayerNorm(10)
        self.mlp = nn.Sequential(nn.Linear(10, 20), nn.GELU(), nn.Linear(20, 10))
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patches(x).permute(0, 2, 3, 1)
        maps = self.norm2(maps + self.mlp(self.norm1(maps)))
        out: Tensor = self.head(maps.permute(0, 3, 1, 2).flatten(2).mean(2))
        return out


def made(build: Callable[[], nn.Module], *shape: int) -> tuple[nn.Module, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        return build().double().eval(), torch.randn(shape, dtype=torch.float64)


def by_hooks(network: nn.Module, x: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """Activations of a module and the score's gradient there, as the network has them."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, out: Tensor) -> None:
        kept.append(out)
        out.retain_grad()

    handle = network.get_submodule(layer).register_forward_hook(keep)
    network(x)[:, TARGET].sum().backward()
    handle.remove()
    network.zero_grad()
    slope = kept[-1].grad
    assert slope is not None
    return kept[-1].detach(), slope


def cams(activations: Tensor, gradients: Tensor) -> dict[str, Tensor]:
    """By hand, from (N, K, *layer spatial)."""
    space = tuple(range(2, activations.ndim))
    return {
        "grad-cam": (gradients.mean(space, keepdim=True) * activations).sum(1),
        "hires-cam": (gradients * activations).sum(1),
        "layer-cam": (gradients.clamp(min=0) * activations).sum(1),
    }


def assert_cams(network: nn.Module, x: Tensor, layer: str | None, expected: dict[str, Tensor]) -> str | None:
    """Alone and with a graph at the input; gives the layer's name."""
    for methods in (list(expected), [*expected, "gradient"]):
        found = explain(network, x, methods, TARGET, layer=layer)
        for key, maps in expected.items():
            assert found[key].layer_values.shape == maps.shape
            torch.testing.assert_close(found[key].layer_values.double(), maps, rtol=0, atol=2e-6 * top(maps))
            assert found[key].signed.shape == (len(x), 1, *x.shape[2:])
    return found["grad-cam"].layer


def as_grid(tokens: Tensor, prefix: int, *grid: int) -> Tensor:
    """(N, prefix + positions, K) to (N, K, *grid), written as in pytorch-grad-cam's advice."""
    return tokens[:, prefix:].reshape(len(tokens), *grid, tokens.shape[2]).movedim(-1, 1)


@pytest.mark.parametrize("extra", [1, 2, 5])
def test_class_tokens_stay_outside_and_the_layer_before_the_last_attention_is_read(extra: int) -> None:
    network, x = made(lambda: Tokens(extra=extra), 2, 2, 16, 24)
    activations, gradients = (as_grid(v, extra, 4, 6) for v in by_hooks(network, x, "blocks.1.norm1"))
    name = assert_cams(network, x, None, cams(activations, gradients))
    assert name == "blocks.1.norm1"


def test_a_head_that_pools_patches_is_read_behind_the_last_norm() -> None:
    network, x = made(lambda: Tokens(extra=1, pooled=True), 2, 2, 16, 24)
    activations, gradients = (as_grid(v, 1, 4, 6) for v in by_hooks(network, x, "norm"))
    assert assert_cams(network, x, None, cams(activations, gradients)) == "norm"


def test_tokens_of_a_volume_become_its_grid() -> None:
    network, x = made(lambda: Tokens(axes=3), 1, 2, 8, 12, 16)
    activations, gradients = (as_grid(v, 1, 2, 3, 4) for v in by_hooks(network, x, "blocks.1.norm1"))
    assert assert_cams(network, x, None, cams(activations, gradients)) == "blocks.1.norm1"


def test_without_extra_tokens_the_last_norm_is_read() -> None:
    network, x = made(lambda: Tokens(extra=0, pooled=True), 2, 2, 16, 24)
    activations, gradients = (as_grid(v, 0, 4, 6) for v in by_hooks(network, x, "norm"))
    assert assert_cams(network, x, None, cams(activations, gradients)) == "norm"


def test_a_named_token_layer_is_read_as_a_grid() -> None:
    network, x = made(Tokens, 2, 2, 16, 24)
    for layer in ("blocks.0.norm2", "blocks.1.norm1"):
        activations, gradients = (as_grid(v, 1, 4, 6) for v in by_hooks(network, x, layer))
        assert assert_cams(network, x, layer, cams(activations, gradients)) == layer


def test_a_layer_behind_whose_tokens_only_the_class_token_counts_has_no_evidence() -> None:
    network, x = made(Tokens, 1, 2, 16, 24)
    found = one(network, x, "hires-cam", TARGET, layer="norm")
    assert not bool(found.signed.any())
    assert "no evidence" in found.validity.text


def test_channels_last_maps_are_read_by_default_and_by_name() -> None:
    network, x = made(Shifted, 2, 2, 12, 18)
    for layer in ("norm1", "norm2", "mlp"):
        activations, gradients = (v.permute(0, 3, 1, 2) for v in by_hooks(network, x, layer))
        assert activations.shape == (2, 10, 6, 9)
        assert assert_cams(network, x, layer, cams(activations, gradients)) == layer
    last = cams(*(v.permute(0, 3, 1, 2) for v in by_hooks(network, x, "norm2")))
    default = assert_cams(network, x, None, last)
    assert default is not None
    assert default.startswith("norm2")


def test_channels_last_maps_as_wide_as_they_are_deep_are_not_turned() -> None:
    """Ten channels on ten columns: the normalised axis is the last one all the same."""
    network, x = made(Shifted, 1, 2, 16, 20)
    activations, gradients = (v.permute(0, 3, 1, 2) for v in by_hooks(network, x, "norm1"))
    assert activations.shape == (1, 10, 8, 10)
    assert_cams(network, x, "norm1", cams(activations, gradients))


def vision_transformer() -> nn.Module:
    network = models.VisionTransformer(
        image_size=48, patch_size=16, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=24, num_classes=4
    )
    nn.init.normal_(network.heads.head.weight)  # torchvision starts it at zero
    return network


def test_torchvision_s_vision_transformer() -> None:
    network, x = made(vision_transformer, 2, 3, 48, 48)
    layer = "encoder.layers.encoder_layer_2.ln_1"
    activations, gradients = (as_grid(v, 1, 3, 3) for v in by_hooks(network, x, layer))
    assert assert_cams(network, x, None, cams(activations, gradients)) == layer
    named = "encoder.layers.encoder_layer_1.ln_2"
    activations, gradients = (as_grid(v, 1, 3, 3) for v in by_hooks(network, x, named))
    assert assert_cams(network, x, named, cams(activations, gradients)) == named


def swin() -> nn.Module:
    return models.SwinTransformer(
        patch_size=[4, 4], embed_dim=8, depths=[2, 2], num_heads=[2, 2], window_size=[4, 4], num_classes=4
    )


def test_torchvision_s_swin_transformer() -> None:
    """Its last maps are the permuted norm's, (N, K, rows, columns); its stages are channels last."""
    network, x = made(swin, 2, 3, 64, 48)
    last = cams(*(v.permute(0, 3, 1, 2) for v in by_hooks(network, x, "norm")))
    assert last["grad-cam"].shape == (2, 8, 6)
    default = assert_cams(network, x, None, last)
    assert default in ("norm", "permute")
    for layer in ("features.1", "features.3.1"):
        activations, gradients = (v.permute(0, 3, 1, 2) for v in by_hooks(network, x, layer))
        assert assert_cams(network, x, layer, cams(activations, gradients)) == layer


def test_score_and_ablation_cams_work_at_token_layers() -> None:
    network, x = made(vision_transformer, 1, 3, 48, 48)
    layer = "encoder.layers.encoder_layer_2.ln_1"
    tokens, _ = by_hooks(network, x, layer)
    maps = as_grid(tokens, 1, 3, 3)
    found = explain(network, x, ["score-cam", "ablation-cam"], TARGET, layer=layer)
    with torch.no_grad():
        score = network(x)[0, TARGET]
        drops, scores = [], []
        for channel in range(16):
            drops.append((score - ablated(network, x, layer, channel)) / score.abs())
            mask = functional.interpolate(maps[:, channel : channel + 1], (48, 48), mode="bilinear")
            scores.append(network(x * (mask - mask.min()) / (mask.max() - mask.min()))[0, TARGET])
    weights = {"ablation-cam": torch.stack(drops), "score-cam": torch.softmax(torch.stack(scores), 0)}
    for key, of_channels in weights.items():
        expected = (of_channels[:, None, None] * maps[0]).sum(0)
        torch.testing.assert_close(found[key].layer_values[0].double(), expected, rtol=0, atol=1e-5 * top(expected))


def ablated(network: nn.Module, x: Tensor, layer: str, channel: int) -> Tensor:
    """The score with one channel of the patches at zero; the class token keeps its own."""

    def change(_module: nn.Module, _inputs: Any, out: Tensor) -> Tensor:
        out = out.clone()
        out[:, 1:, channel] = 0
        return out

    handle = network.get_submodule(layer).register_forward_hook(change)
    found: Tensor = network(x)[0, TARGET]
    handle.remove()
    return found


def test_layers_that_are_no_maps_are_refused_by_name() -> None:
    network, x = made(Tokens, 1, 2, 16, 24)
    for layer in ("head", "blocks.0.qkv"):
        if layer == "head":
            with pytest.raises(UserError, match="no feature maps"):
                one(network, x, "grad-cam", TARGET, layer=layer)
    with pytest.raises(UserError, match="Did you mean"):
        one(network, x, "grad-cam", TARGET, layer="block.0.norm1")


# --- the rules by which forms are told apart ----------------------------------------------------------------------


def known(dimensions: int, *normalised: int, maps: tuple[int, ...] | None = None) -> Forms:
    forms = Forms((2,) * dimensions)
    for size in normalised:
        forms.layer_norm((size,), (2, 9, size))
    if maps is not None:
        forms.convolution(torch.zeros(maps))
    return forms


def test_forms_of_tensors() -> None:
    assert known(4).of(torch.zeros(2, 5, 3, 4)) == Form()
    assert known(4, 5).of(torch.zeros(2, 3, 4, 5)) == Form(channels_last=True)
    assert known(4, 5).of(torch.zeros(2, 5, 4, 5)) == Form()  # both axes could be channels: as torch has them
    assert known(4).of(torch.zeros(2, 5, 1, 1)) is None
    assert known(4, 5).of(torch.zeros(2, 1, 1, 5)) is None
    assert known(4).of(torch.zeros(2, 5)) is None
    assert known(3).of(torch.zeros(2, 5, 9)) == Form()


def test_what_was_normalised_itself_is_channels_last_whatever_its_sides() -> None:
    """Eight rows, as many as another stage has channels."""
    forms = known(4, 8)
    forms.layer_norm((16,), (2, 8, 6, 16))
    assert forms.of(torch.zeros(2, 8, 6, 16)) == Form(channels_last=True)
    assert forms.of(torch.zeros(2, 16, 8, 6)) == Form()


@pytest.mark.parametrize(("count", "prefix"), [(12, 0), (13, 1), (16, 4), (20, 8), (21, None), (11, None)])
def test_forms_of_tokens(count: int, prefix: int | None) -> None:
    found = known(4, 7, maps=(2, 7, 3, 4)).of(torch.zeros(2, count, 7))
    assert found == (None if prefix is None else Form(prefix=prefix, grid=(3, 4)))
    assert known(4, maps=(2, 7, 3, 4)).of(torch.zeros(2, count, 7)) is None  # nothing was normalised over 7


def test_a_grid_is_a_view_of_its_tokens() -> None:
    tokens = torch.arange(2 * 7 * 3.0).reshape(2, 7, 3)
    maps = Form(prefix=1, grid=(2, 3)).maps(tokens)
    assert maps.shape == (2, 3, 2, 3)
    assert torch.equal(maps, as_grid(tokens, 1, 2, 3))
    maps[:, 1] = 0
    assert not bool(tokens[:, 1:, 1].any())
    assert math.isclose(float(tokens[0, 0, 1]), 1.0)
