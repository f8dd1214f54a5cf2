"""Other channels and other heads in torchvision's networks."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures import build_network
from saliency_viewer.models.files import MemoryFiles
from saliency_viewer.models.recognition.blueprints import _no_memory

tv = torchvision.models
FAMILY_OF = {tv.get_model_builder(name).__module__: name for name in reversed(tv.list_models(module=tv))}
SIDES = {"inception_v3": 299}


def built(name, **arguments):
    return build_network(f"torchvision:{name}", arguments, MemoryFiles({}), (), False)


@pytest.mark.parametrize("name", FAMILY_OF.values())
@pytest.mark.parametrize("channels", [1, 4])
def test_a_network_of_every_family_takes_other_channels_and_changes_nothing_else(name, channels):
    with _no_memory():
        network = built(name, num_classes=3, in_channels=channels).eval()
        plain = built(name, num_classes=3)
        side = SIDES.get(name, 224)
        assert network(torch.zeros(1, channels, side, side)).shape == (1, 3)
    other = [
        key
        for (key, mine), theirs in zip(network.state_dict().items(), plain.state_dict().values(), strict=True)
        if mine.shape != theirs.shape
    ]
    assert len(other) == 1
    mine, theirs = (one.state_dict()[other[0]].shape for one in (network, plain))
    assert (mine[1], theirs[1]) == (channels, 3)
    assert (mine[0], *mine[2:]) == (theirs[0], *theirs[2:])


def test_a_hand_made_one_channel_network_gives_the_same_answers():
    torch.manual_seed(0)
    theirs = tv.resnet18(num_classes=2)
    theirs.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    mine = built("resnet18", num_classes=2, in_channels=1)
    mine.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(mine.eval()(image), theirs.eval()(image), rtol=0, atol=0)


def test_a_described_head_gives_the_answers_of_the_one_made_by_hand():
    torch.manual_seed(0)
    theirs = tv.resnet18()
    theirs.fc = nn.Sequential(nn.Dropout(), nn.Linear(512, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    mine = built("resnet18", head={"fc": ["dropout", "linear 16", "batchnorm", "relu", "linear 2"]})
    mine.load_state_dict(theirs.state_dict())
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(mine.eval()(image), theirs.eval()(image), rtol=0, atol=0)


def test_a_head_can_be_one_layer_or_have_names():
    network = built("resnet18", head={"fc": "linear 5"})
    assert isinstance(network.fc, nn.Linear)
    named = built("resnet18", head={"fc": {"hidden": "linear 8", "act": "gelu", "out": "linear 2"}})
    assert [(name, type(module)) for name, module in named.fc.named_children()] == [
        ("hidden", nn.Linear),
        ("act", nn.GELU),
        ("out", nn.Linear),
    ]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"in_channels": 0}, "no number of channels", "in_channels = 1"),
        ({"in_channels": True}, "no number of channels", ""),
        ({"head": []}, "no table", "head = {"),
        ({"head": {"fcc": "linear 2"}}, "has no 'fcc'", "'fc'"),
        ({"head": {"conv1": "linear 2"}}, "no linear layer", ""),
        ({"head": {"fc": ["linaer 2"]}}, "no layer 'linaer 2'", "linear"),
        ({"head": {"fc": ["linear"]}}, "no layer 'linear'", "linear N"),
        ({"head": {"fc": [3]}}, "no table", ""),
        ({"head": {"fc": {"a.b": "linear 2"}}}, "no table", ""),
    ],
)
def test_wrong_alterations_are_refused_in_words(arguments, message, hint):
    with _no_memory(), pytest.raises(UserError, match=message) as caught:
        built("resnet18", **arguments)
    assert hint in caught.value.hint


@pytest.mark.parametrize("arguments", [{"in_channels": 10**12}, {"head": {"fc": "linear 99999999999999"}}])
def test_alterations_that_no_memory_holds_are_refused_in_words(arguments):
    with pytest.raises(UserError, match="cannot be made with the arguments") as caught:
        built("resnet18", **arguments)
    assert "model.arguments" in caught.value.hint
