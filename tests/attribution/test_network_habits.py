"""What networks do in their forward pass that faster forms and backward rules must not trip over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from formulas import Formula, top
from small_networks import CHANNELS, FEW, inputs_for
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from saliency_viewer.attribution import METHODS, explain
from saliency_viewer.errors import UserError

IDS = [method.id for method in METHODS]


class Rows(nn.Module):
    """Takes its maps apart by ``flat``, as networks before ``flatten`` did."""

    def __init__(self, flat: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.flat = flat
        self.conv, self.norm, self.last = nn.Conv2d(CHANNELS, 4, 3, 2), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3, padding=1)
        self.head = nn.Linear(5 * 6 * 5, 3)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.flat(functional.relu(self.last(functional.relu(self.norm(self.conv(x)))))))


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make().eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_maps_that_are_viewed_as_rows_give_the_maps_of_flattened_ones(dtype: torch.dtype) -> None:
    viewed = seeded(lambda: Rows(lambda maps: maps.view(maps.size(0), -1))).to(dtype)
    flattened = seeded(lambda: Rows(lambda maps: maps.flatten(1))).to(dtype)
    for key in IDS:
        one, other = (
            explain(n, inputs_for(2), key, 1, parameters={key: FEW.get(key, {})}, skip_undefined=True)
            for n in (viewed, flattened)
        )
        assert set(one) == set(other), key
        if key in one:
            expected = other[key].signed
            assert torch.allclose(one[key].signed, expected, rtol=1e-3, atol=1e-4 * top(expected)), key


def test_an_image_that_is_viewed_itself_is_explained() -> None:
    network = nn.Sequential(Viewed(), nn.Linear(CHANNELS * 13 * 11, 3))
    found = explain(network, inputs_for(2), ["integrated-gradients", "occlusion"], 0)
    assert {result.validity.badge for result in found.values()} == {"verified"}


class Viewed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(len(x), -1)


def test_an_error_of_the_network_itself_is_raised_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        explain(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), inputs_for(2), "grad-cam", 0)


class Checkpointed(nn.Module):
    """A block whose intermediate values are computed again for the backward pass, where ``on``."""

    def __init__(self, on: bool, reentrant: bool = False) -> None:
        super().__init__()
        self.on, self.reentrant = on, reentrant
        self.stem, self.norm = nn.Conv2d(CHANNELS, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv, self.head = nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 3)

    def block(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(functional.relu(self.norm(x))))

    def forward(self, x: Tensor) -> Any:
        x = self.stem(x)
        x = checkpoint(self.block, x, use_reentrant=self.reentrant) if self.on else self.block(x)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("polled", [False, True])
def test_checkpointing_changes_no_map(polled: bool) -> None:
    wishes: dict[str, Any] = {"parameters": FEW, "skip_undefined": True, "cancel": (lambda: False) if polled else None}
    plain, saving = (explain(seeded(lambda on=on: Checkpointed(on)), inputs_for(2), IDS, 1, **wishes) for on in (0, 1))
    assert set(plain) == set(saving)
    for key in plain:
        expected = plain[key].signed
        assert torch.allclose(saving[key].signed, expected, rtol=1e-4, atol=1e-5 * top(expected)), key
        assert saving[key].validity == plain[key].validity


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_reentrant_checkpointing_is_refused_with_the_cure() -> None:
    network = seeded(lambda: Checkpointed(True, reentrant=True))
    with pytest.raises(UserError, match="checkpointing") as caught:
        explain(network, inputs_for(2), "integrated-gradients", 0)
    assert "off" in caught.value.hint


class Pyramid(nn.Module):
    """One weight at two dilations, one normalisation's statistics with two scales."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.convolve = {2: functional.conv2d, 3: functional.conv3d}[axes]
        self.weight = nn.Parameter(torch.randn(4, CHANNELS, *[3] * axes))
        self.biases = nn.ParameterList([torch.randn(4) for _ in range(2)])
        self.scales = nn.ParameterList([torch.rand(4) + 0.5 for _ in range(2)])
        self.register_buffer("mean", torch.randn(4))
        self.register_buffer("variance", torch.rand(4) + 0.5)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        total = x.new_zeros(len(x), 4)
        for number, (bias, scale) in enumerate(zip(self.biases, self.scales, strict=True)):
            maps = self.convolve(x, self.weight, bias, padding=1 + number, dilation=1 + number)
            maps = functional.batch_norm(maps, self.mean, self.variance, scale)
            total = total + functional.relu(maps).flatten(2).mean(-1)
        return self.head(total)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_weight_that_serves_twice_serves_each_time_as_it_is_called(axes: int) -> None:
    network, x = seeded(lambda: Pyramid(axes)), inputs_for(axes, 1)
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(leaf)[0, 1], leaf)
    assert torch.allclose(explain(network, x, "gradient", 1)["gradient"].signed, slope, atol=1e-6 * top(slope))
    wishes = {"parameters": {"smooth-grad": {"samples": 6, "sigma": 0.0}}}  # no noise: the gradient six times over
    found = explain(network, x, "smooth-grad", 1, **wishes)["smooth-grad"].signed
    assert torch.allclose(found, slope, atol=1e-5 * top(slope))


class Unstored(nn.Module):
    """Normalises with the batch's own statistics, in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(CHANNELS, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        norm = self.norm
        maps = functional.batch_norm(
            self.conv(x), norm.running_mean.clone(), norm.running_var.clone(), norm.weight, norm.bias, training=True
        )
        return self.head(functional.relu(maps).mean((2, 3)))


def test_normalisation_with_the_batch_s_own_statistics_has_no_rule_and_its_own_gradient() -> None:
    network, x = seeded(Unstored), inputs_for(2, 1)
    found = explain(network, x, ["lrp-epsilon-plus", "deep-lift"], 1, skip_undefined=True)
    assert set(found.undefined) == {"lrp-epsilon-plus", "deep-lift"}
    assert all("without stored statistics" in str(error) for error in found.undefined.values())
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(leaf)[0, 1], leaf)
    same = explain(network, x, "smooth-grad", 1, parameters={"smooth-grad": {"samples": 6, "sigma": 0.0}})
    assert torch.allclose(same["smooth-grad"].signed, slope, atol=1e-5 * top(slope))


MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
    "tile": lambda x: x.tile(1, 2, 1, 1),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 1),
    "ravel": lambda x: x.ravel().view_as(x).expand(-1, 2, -1, -1),
    "swapdims": lambda x: x.swapdims(2, 3).expand(-1, 2, -1, -1),
    "type_as": lambda x: x.type_as(x).expand(-1, 2, -1, -1),
    "cpu": lambda x: x.cpu().expand(-1, 2, -1, -1),
}


@pytest.mark.parametrize("name", MOVES)
def test_values_that_are_only_moved_keep_their_relevance(name: str) -> None:
    def made() -> nn.Module:
        body = nn.Conv2d(2, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(36, 1, bias=False)
        return nn.Sequential(Moved(MOVES[name]), *body)

    network = seeded(made)
    x = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    found = explain(network, x, ["lrp-epsilon-plus", "deep-lift"], 0, baseline="zero")
    assert float(found["deep-lift"].residual) == pytest.approx(0, abs=1e-4)
    assert float(found["lrp-epsilon-plus"].residual) == pytest.approx(0, abs=1e-3)


class Moved(nn.Module):
    def __init__(self, move: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.move = move

    def forward(self, x: Tensor) -> Tensor:
        return self.move(x)


def test_relevance_does_not_pass_through_a_division_by_maps() -> None:
    network = Formula(lambda x: torch.div(2.0, x))
    found = explain(network, inputs_for(2, 1), "lrp-epsilon-plus", 0, skip_undefined=True)
    assert "division" in str(found.undefined["lrp-epsilon-plus"])


def test_answers_that_are_no_numbers_never_look_like_a_map() -> None:
    conv = seeded(lambda: nn.Conv2d(CHANNELS, 3, 3))
    network = nn.Sequential(conv, nn.ReLU(), Endless())
    found = explain(network, inputs_for(2, 1), IDS, 0, parameters=FEW, skip_undefined=True)
    assert len(found) > len(IDS) // 2
    assert {key for key, result in found.items() if result.validity.badge != "failed"} == set()


class Endless(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3)) * torch.inf - torch.inf


@pytest.mark.filterwarnings("ignore:.torch.jit.*:FutureWarning")
@pytest.mark.parametrize("layer", [None, "0"])
def test_class_activation_maps_say_that_they_cannot_see_inside_torchscript(layer: str | None) -> None:
    network = torch.jit.script(nn.Sequential(nn.Conv2d(CHANNELS, 3, 3), nn.ReLU(), Averaged()))
    found = explain(network, inputs_for(2), ["grad-cam", "gradient"], 0, layer=layer, skip_undefined=True)
    assert set(found) == {"gradient"}
    assert "TorchScript" in str(found.undefined["grad-cam"])


class Averaged(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Canvas(nn.Module):
    """Writes its image into a larger one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(CHANNELS, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        canvas = x.new_zeros(len(x), CHANNELS, 20, 20)
        canvas[:, :, : x.shape[2], : x.shape[3]] += x
        return self.head(functional.relu(self.conv(canvas)).mean((2, 3)))


@pytest.mark.parametrize("key", ["lrp-epsilon-gamma-box", "lrp-epsilon-plus-flat"])
def test_rules_at_the_image_leave_the_network_s_own_tensors_alone(key: str) -> None:
    network, x = seeded(Canvas), inputs_for(2)
    assert torch.equal(explain(network, x, key, 1)[key].score, network(x)[:, 1])


class GatedInPlace(nn.Module):
    """Multiplies and adds to its maps in place what it made of their mean."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place
        self.conv, self.gate, self.head = nn.Conv2d(CHANNELS, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        maps = functional.relu(self.conv(x)) * 1.0
        if self.in_place:
            maps *= torch.sigmoid(self.gate(maps.mean((2, 3), keepdim=True)))
            maps += self.gate(maps.mean((2, 3), keepdim=True))
        else:
            maps = maps * torch.sigmoid(self.gate(maps.mean((2, 3), keepdim=True)))
            maps = maps + self.gate(maps.mean((2, 3), keepdim=True))
        return self.head(maps.mean((2, 3)))


@pytest.mark.parametrize("key", ["lrp-epsilon-plus", "excitation-backprop"])
def test_relevance_of_a_mean_whose_maps_are_overwritten(key: str) -> None:
    one, other = (
        explain(seeded(lambda way=way: GatedInPlace(way)), inputs_for(2), key, 1)[key].signed for way in (True, False)
    )
    assert torch.allclose(one, other, atol=1e-5 * top(other))


class GeneralisedMean(nn.Module):
    """Pools by a power that is learnt, behind a transposed convolution and an interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(CHANNELS, 4, 3), nn.ConvTranspose2d(4, 4, 2, 2)
        self.power, self.head = nn.Parameter(torch.tensor([3.0])), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        maps = functional.interpolate(self.up(functional.relu(self.conv(x))), scale_factor=2, mode="bilinear")
        return self.head(maps.clamp(min=1e-3).pow(self.power).mean((2, 3)).pow(1 / self.power))


def test_contributions_pass_through_powers_and_enlargement() -> None:
    found = explain(seeded(GeneralisedMean).double(), 10 * inputs_for(2).double(), "deep-lift", 1, baseline="zero")
    assert top(found["deep-lift"].residual) < 1e-6


class Unbatched(nn.Module):
    """Runs on one image at a time, without the axis of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(CHANNELS, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Any:
        rows = [functional.max_pool2d(functional.relu(self.conv(image)), 2).mean((1, 2)) for image in x]
        return self.head(torch.stack(rows))


def test_images_without_a_batch_axis_have_gradients_and_no_rules() -> None:
    methods = ["gradient", "integrated-gradients", "guided-backprop", "lrp-epsilon-plus", "deep-lift"]
    found = explain(seeded(Unbatched), inputs_for(2), methods, 1, skip_undefined=True)
    assert set(found.undefined) == {"lrp-epsilon-plus", "deep-lift"}


def test_a_range_that_the_image_leaves_is_said() -> None:
    network, x = seeded(lambda: Checkpointed(False)), inputs_for(2)
    key = "lrp-epsilon-gamma-box"
    inside, outside = (explain(network, x, key, 1, input_range=wish)[key] for wish in ((-9.0, 9.0), (0.0, 1.0)))
    assert not any("beyond" in note for note in inside.provenance.notes)
    assert any("beyond" in note for note in outside.provenance.notes)
    with pytest.raises(UserError, match="1 parts"):
        explain(network, x, key, 1, input_range=(0.0,))
