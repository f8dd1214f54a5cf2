"""TorchScript programs give what the network gives from which torch made them, layer by layer."""

from __future__ import annotations

import pytest
import torch
import torch_programs as files
from torch import nn

from saliency_viewer.attribution import explain
from saliency_viewer.errors import UserError
from saliency_viewer.models.programs.torchscript.scripted import Scripted

HOWS = ("trace", "script", "freeze")


def opened(network, shape, how):
    return files.opened("torchscript", files.scripted(network, shape, how), shape)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("axes", [2, 3])
def test_what_classifiers_are_made_of(axes, how):
    network = files.randomised(files.Usual(axes))
    found = opened(network, (1, 1, *[12] * axes), how)
    files.require_same(found, network, torch.randn(3, 1, *[12] * axes))
    assert not isinstance(found, Scripted)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", [name for name in files.MINIATURES if name != "mobilenet_v3_small"])
def test_networks_of_torchvision(name, how):
    network, shape = files.miniature(name)
    files.require_same(opened(network, shape, how), network, files.IMAGES[..., : shape[2], : shape[3]])


@pytest.mark.parametrize("how", HOWS)
def test_a_3d_network_of_monai(how):
    network, shape = files.miniature("MONAI 3D DenseNet")
    files.require_same(opened(network, shape, how), network, torch.randn(2, *shape[1:]))


@pytest.mark.parametrize("how", ["trace", "script"])
@pytest.mark.parametrize("name", ["resnet18", "densenet", "mobilenet_v3_small", "usual"])
def test_layers_have_the_names_and_classes_that_the_network_has(name, how):
    network, shape = (files.randomised(files.Usual()), (1, 1, 12, 12)) if name == "usual" else files.miniature(name)
    found = dict(opened(network, shape, how).named_modules())
    single = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.Hardswish)
    own = {path: type(module) for path, module in network.named_modules() if isinstance(module, single)}
    assert own
    assert {path: type(found.get(path)) for path in own} == own
    for path, parameter in network.named_parameters():
        layer, _, local = path.rpartition(".")
        torch.testing.assert_close(getattr(found[layer], local), parameter, rtol=0, atol=0)


def test_a_frozen_program_has_its_operators_as_layers():
    network, shape = files.miniature("resnet18")
    names = [path for path, _ in opened(network, shape, "freeze").named_modules()]
    assert {"conv2d_1", "relu_1", "max_pool2d_1", "linear_1"} <= set(names)


def test_the_answer_of_a_network_with_auxiliary_heads_is_its_main_one():
    network, shape = files.miniature("googlenet")
    with torch.no_grad():
        expected = network(files.IMAGES)
        assert torch.equal(opened(network, shape, "script")(files.IMAGES)[0], expected)


@pytest.mark.parametrize("how", ["trace", "freeze"])
def test_a_program_traced_for_one_image_takes_more(how):
    network = files.ForOne().eval()
    found = opened(network, (1, 1, 16, 16), how)
    files.require_same(found, network, torch.randn(5, 1, 16, 16))


def test_half_precision_weights_compute_in_float32():
    rounded = files.randomised(files.Usual()).half()
    content = files.scripted(rounded, (1, 1, 12, 12), "script")
    found = files.opened("torchscript", content, (1, 1, 12, 12))
    assert {parameter.dtype for parameter in found.parameters()} == {torch.float32}
    files.require_same(found, rounded.float(), torch.randn(2, 1, 12, 12))


class Steps(nn.Module):
    """Control flow that depends on sizes and settings: read as it falls out."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(2, 3)
        self.names = {"first": 1, "second": 2}

    def forward(self, x, scale: int = 2):
        parts = []
        for turn in range(0, x.shape[2], 4):
            parts.append(self.conv(x[:, :, turn : turn + 4]) * scale)
        while len(parts) < 6:
            parts.append(parts[-1] + self.names["second"])
        y = torch.cat(parts, 2)
        if y.shape[2] == 1:
            raise ValueError("too small")
        return self.head(y.amax((2, 3)))


def test_loops_over_sizes_are_followed():
    network = Steps().eval()
    found = opened(network, (1, 1, 12, 12), "script")
    assert not isinstance(found, Scripted)
    files.require_same(found, network, torch.randn(2, 1, 12, 12))


def test_a_program_that_looks_at_pixels_has_gradients_and_no_layers():
    network = files.OnPixels().eval()
    found = opened(network, (1, 1, 12, 12), "script")
    images = torch.stack([torch.ones(1, 12, 12), -torch.ones(1, 12, 12)]) + torch.randn(2, 1, 12, 12) / 4
    with torch.no_grad():
        torch.testing.assert_close(found(images), torch.cat([network(one) for one in images.split(1)]))
    wanted = ["gradient", "integrated-gradients", "layer-grad-cam", "lrp-epsilon-plus", "guided-backprop", "deep-lift"]
    results = explain(found, images[:1], wanted, 1, skip_undefined=True)
    with pytest.warns(UserWarning, match="to a scalar"):
        plain = explain(network, images[:1], ["gradient"], 1)
    torch.testing.assert_close(results["gradient"].signed, plain["gradient"].signed)
    assert set(results) == {"gradient", "integrated-gradients"}
    for reason in results.undefined.values():
        assert "taken out of what is in the image" in reason.message
        assert "gradient" in reason.hint
    torch.testing.assert_close(found.program.factor, torch.ones(1))


class Endless(nn.Module):
    def forward(self, x):
        while bool(x.mean() < 1):
            x = x * 0.5
        return x.mean((2, 3))


class Counting(nn.Module):
    def forward(self, x):
        count = 0
        while True:
            count = count + 1
            if count < 0:
                break
        return x.mean((2, 3)) * count


class AsOftenAs(nn.Module):
    def forward(self, x):
        y = x.mean((2, 3))
        for _ in range(int(x.sum())):
            y = y * 2
        return y


@pytest.mark.parametrize("network", [Endless(), Counting(), AsOftenAs()], ids=lambda network: type(network).__name__)
def test_a_loop_without_a_foreseen_end_is_never_run(network):
    with pytest.raises(UserError, match="may never end") as caught:
        opened(network, (1, 1, 4, 4), "script")
    assert "torch.export" in caught.value.hint


class Twice(nn.Module):
    """Calls the module inside twice, which calls the one inside twice, and so on."""

    def __init__(self, depth):
        super().__init__()
        self.inner = Twice(depth - 1) if depth else nn.ReLU()

    def forward(self, x):
        return self.inner(self.inner(x))


class Rarely(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Twice(40)

    def forward(self, x):
        if x.shape[1] > 100:
            x = self.inner(x)
        return x.mean((2, 3))


def test_calls_that_double_are_never_put_together():
    """Torch puts all calls together before it runs anything, also those in branches that are not taken."""
    with pytest.raises(UserError, match="more steps than any network"):
        opened(Rarely(), (1, 1, 4, 4), "script")


def test_a_program_of_few_turns_on_pixels_is_run():
    class Halving(nn.Module):
        def forward(self, x):
            for _ in range(x.shape[2]):
                if bool(x.mean() > 1):
                    x = x * 0.5
            return x.mean((2, 3))

    found = opened(Halving(), (1, 1, 4, 4), "script")
    assert isinstance(found, Scripted)
    torch.testing.assert_close(found(torch.full((1, 1, 4, 4), 8.0)), torch.ones(1, 1))


class Two(nn.Module):
    def forward(self, x, y):
        return (x + y).mean((2, 3))


def test_programs_that_take_more_than_an_image_are_refused():
    stream = torch.randn(1, 1, 4, 4)
    content = files.scripted(Two(), (1, 1, 4, 4), "script")
    with pytest.raises(UserError, match="takes 2 inputs") as caught:
        files.opened("torchscript", content, stream.shape)
    assert "image alone" in caught.value.hint


@pytest.mark.parametrize("how", ["trace", "script"])
def test_training_mode(how):
    """A traced program keeps it for ever and is refused; a scripted one is told to evaluate."""
    network = files.Usual().train()
    content = files.scripted(network, (4, 1, 12, 12), how)
    if how == "trace":
        with pytest.raises(UserError, match="training mode") as caught:
            files.opened("torchscript", content, (1, 1, 12, 12))
        assert "eval()" in caught.value.hint
    else:
        network.eval()
        files.require_same(files.opened("torchscript", content, (1, 1, 12, 12)), network, torch.randn(2, 1, 12, 12))


@pytest.mark.parametrize("shape", [(1, 3, 12, 12), (1, 1, 12, 12, 12)])
def test_inputs_that_the_program_cannot_take_are_said(shape):
    from saliency_viewer.domain import InputSpec
    from saliency_viewer.models.forward import count_outputs

    content = files.scripted(files.randomised(files.Usual()), (1, 1, 12, 12), "script")
    network = files.opened("torchscript", content, shape)
    spec = InputSpec("3d" if len(shape) == 5 else "2d", shape[1], shape[2:])
    with pytest.raises(UserError, match="cannot take the input") as caught:
        count_outputs(network, spec, "cpu")
    assert "input.channels" in caught.value.hint
