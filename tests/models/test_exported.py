"""Programs of torch.export give what the network gives from which torch made them, layer by layer."""

from __future__ import annotations

import json

import pytest
import torch
import torch_programs as files
from torch import nn

from saliency_viewer.errors import UserError

HOWS = ("static", "dynamic", "decomposed")


def opened(network, shape, how="static"):
    return files.opened("exported", files.exported(network, shape, how), shape)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("axes", [2, 3])
def test_what_classifiers_are_made_of(axes, how):
    network = files.randomised(files.Usual(axes))
    files.require_same(opened(network, (1, 1, *[12] * axes), how), network, torch.randn(3, 1, *[12] * axes))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, "static") for name in ("resnet18", "densenet", "efficientnet", "swin")),
        *((name, "dynamic") for name in ("resnet18", "convnext", "vit")),
    ],
)
def test_networks_of_torchvision(name, how):
    network, shape = files.miniature(name)
    files.require_same(opened(network, shape, how), network, files.IMAGES[..., : shape[2], : shape[3]])


@pytest.mark.parametrize("name", ["resnet18", "vit", "MONAI 3D DenseNet"])
def test_networks_broken_down_to_core_operators(name):
    network, shape = files.miniature(name)
    images = torch.randn(2, *shape[1:], generator=torch.Generator().manual_seed(5))
    files.require_same(opened(network, shape, "decomposed"), network, images)


@pytest.mark.parametrize("how", ["static", "dynamic"])
@pytest.mark.parametrize("name", ["resnet18", "densenet", "usual"])
def test_layers_have_the_names_and_classes_that_the_network_has(name, how):
    network, shape = (files.randomised(files.Usual()), (1, 1, 12, 12)) if name == "usual" else files.miniature(name)
    found = dict(opened(network, shape, how).named_modules())
    single = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU)
    own = {path: type(module) for path, module in network.named_modules() if isinstance(module, single)}
    assert own
    assert {path: type(found.get(path)) for path in own} == own
    for path, parameter in network.named_parameters():
        layer, _, local = path.rpartition(".")
        torch.testing.assert_close(getattr(found[layer], local), parameter, rtol=0, atol=0)


def test_a_program_exported_for_one_image_takes_more():
    network = files.ForOne().eval()
    files.require_same(opened(network, (1, 1, 16, 16)), network, torch.randn(5, 1, 16, 16))


def test_half_precision_weights_compute_in_float32():
    class Rounded(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = files.Usual().half()

        def forward(self, x):
            return self.body(x.half()).float()

    network = files.randomised(Rounded())
    found = opened(network, (1, 1, 12, 12))
    assert {parameter.dtype for parameter in found.parameters()} == {torch.float32}
    with torch.no_grad():
        images = torch.randn(2, 1, 12, 12)
        torch.testing.assert_close(found(images), network.body.float()(images), rtol=1e-4, atol=1e-5)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        y = self.conv(x)
        return {"features": y, "logits": y.mean((2, 3))}


def test_outputs_keep_their_names():
    network = Named().eval()
    found, images = opened(network, (1, 1, 8, 8)), torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        assert list(found(images)) == ["features", "logits"]
        torch.testing.assert_close(found(images)["logits"], network(images)["logits"])


class AnySize(nn.Module):
    """Computes with the sizes of an image of any size."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        y = self.conv(x)
        y = y[:, :, : x.shape[2] - 3, : x.shape[3] - 1]
        return self.head(y.reshape(y.shape[0], 4, -1).amax(2))


def test_a_program_for_any_size_runs_at_the_cards_size():
    import io

    network = AnySize().eval()
    rows, columns = torch.export.Dim("rows", min=8, max=64), torch.export.Dim("columns", min=8, max=64)
    program = torch.export.export(network, (torch.randn(1, 1, 16, 20),), dynamic_shapes=({2: rows, 3: columns},))
    stream = io.BytesIO()
    torch.export.save(program, stream)
    found = files.opened("exported", stream.getvalue(), (1, 1, 24, 30))
    files.require_same(found, network, torch.randn(2, 1, 24, 30))


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 3, 12, 12), (1, 1, 12, 12, 12)])
def test_another_size_than_the_programs_is_said_with_both(shape):
    content = files.exported(files.randomised(files.Usual()), (1, 1, 12, 12))
    with pytest.raises(UserError, match="exported for inputs of 1 x 12 x 12") as caught:
        files.opened("exported", content, shape)
    assert " x ".join(map(str, shape[1:])) in caught.value.message
    assert "[input]" in caught.value.hint


class Two(nn.Module):
    def forward(self, x, y):
        return (x + y).mean((2, 3))


def test_programs_that_take_more_than_an_image_are_refused():
    import io

    stream = io.BytesIO()
    images = torch.randn(1, 1, 4, 4)
    torch.export.save(torch.export.export(Two(), (images, images)), stream)
    with pytest.raises(UserError, match="takes 2 tensors") as caught:
        files.opened("exported", stream.getvalue(), (1, 1, 4, 4))
    assert "image alone" in caught.value.hint


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.BatchNorm2d(1)])
def test_training_mode_is_refused(layer):
    network = nn.Sequential(layer, nn.Flatten(), nn.Linear(16, 2)).train()
    with pytest.raises(UserError, match="training mode") as caught:
        opened(network, (2, 1, 4, 4))
    assert "eval()" in caught.value.hint


class Deciding(nn.Module):
    def forward(self, x):
        return torch.cond(x.mean() > 0, lambda y: y.mean((2, 3)), lambda y: y.amax((2, 3)), (x,))


def test_branches_are_refused_with_a_cure():
    with pytest.raises(UserError, match="'cond'") as caught:
        opened(Deciding(), (1, 1, 4, 4))
    assert "straight" in caught.value.hint


def test_the_older_layout_of_the_archive_is_read():
    """Torch 2.5 to 2.7 wrote the graph and torch.save files side by side."""
    import io

    network = files.randomised(files.Usual())
    content = files.exported(network, (1, 1, 12, 12))
    states = {f"blocks.{key}": value for key, value in network.blocks.state_dict().items()}
    states |= {key: value for key, value in network.state_dict().items() if not key.startswith("blocks.")}

    def older(name, data):
        if name.endswith("models/model.json"):
            return "serialized_exported_program.json", json.dumps(
                json.loads(data) | {"schema_version": {"major": 7, "minor": 1}}
            )
        if name.endswith("model_weights_config.json"):
            stream = io.BytesIO()
            torch.save(states, stream)
            return "serialized_state_dict.pt", stream.getvalue()
        return None

    files.require_same(
        files.opened("exported", files.changed(content, older), (1, 1, 12, 12)), network, torch.randn(2, 1, 12, 12)
    )
