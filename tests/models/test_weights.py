"""Weights files of every make, and those that must be refused."""

from __future__ import annotations

import io

import pytest
import safetensors.torch
import torch
from torch import nn

from saliency_viewer.errors import UserError
from saliency_viewer.models.weights import load_state, read_state


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2))


def saved(thing):
    stream = io.BytesIO()
    torch.save(thing, stream)
    return stream.getvalue()


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


WRAPPED = {
    "plain": lambda s: s,
    "data parallel": lambda s: prefixed(s, "module."),
    "lightning": lambda s: {"state_dict": {**prefixed(s, "model."), "loss.weight": torch.ones(3)}, "epoch": 3},
    "nested": lambda s: {"model_state_dict": prefixed(s, "module.model.")},
    "net in net": lambda s: {"model": prefixed(s, "net.module."), "optimizer": {"lr": 0.1}},
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "a class of one's own": lambda s: {**prefixed(s, "my_net.inner."), "projection.weight": torch.ones(2)},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_wrapped_checkpoints_load(wrap):
    source, target = network(), network()
    load_state(target, read_state(saved(wrap(source.state_dict()))))
    for key, value in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("save", [saved, safetensors.torch.save], ids=["torch", "safetensors"])
def test_other_precisions_become_float32_with_the_same_rounded_values(dtype, save):
    source, target = network(), network()
    rounded = {key: v.to(dtype) if v.is_floating_point() else v for key, v in source.state_dict().items()}
    load_state(target, read_state(save(rounded)))
    for key, value in target.state_dict().items():
        assert value.dtype == source.state_dict()[key].dtype
        torch.testing.assert_close(value, rounded[key].to(value.dtype), rtol=0, atol=0)


def test_the_content_decides_and_not_the_suffix(shared_data):
    # A published network whose .pth file holds safetensors, which torch.load refuses.
    state = read_state((shared_data / "checkpoints" / "meshnet_subcortical" / "model.pth").read_bytes())
    assert all(value.dtype == torch.float32 for value in state.values() if value.is_floating_point())
    assert sum(value.numel() for value in state.values()) > 100_000


def test_a_pickled_model_is_refused_with_the_way_to_convert_it():
    with pytest.raises(UserError, match="pickled") as caught:
        read_state(saved(network()))
    assert "state_dict()" in caught.value.hint


def test_no_code_in_a_pickle_runs(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    with pytest.raises(UserError, match="pickled"):
        read_state(saved({"state_dict": Evil()}))
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("content", [b"", b"not weights at all", saved({"a": torch.ones(999)})[:1500]])
def test_damaged_files_are_said_to_be_damaged(content):
    with pytest.raises(UserError, match="damaged"):
        read_state(content)


def test_a_truncated_safetensors_file_is_damaged():
    with pytest.raises(UserError, match="damaged"):
        read_state(safetensors.torch.save({"a": torch.ones(999)})[:-10])


@pytest.mark.parametrize("thing", [[torch.ones(2)], {"epoch": 3}, torch.ones(2)])
def test_files_without_named_weights_are_refused(thing):
    with pytest.raises(UserError, match="no weights by name"):
        read_state(saved(thing))


def test_missing_and_left_over_weights_are_named():
    state = network().state_dict()
    state["extra.weight"] = state.pop("0.weight")
    with pytest.raises(UserError) as caught:
        load_state(network(), state)
    assert "1 is missing (0.weight)" in caught.value.message
    assert "1 is left over (extra.weight)" in caught.value.message


def test_another_number_of_classes_is_said_in_those_words():
    state = network().state_dict()
    state["3.weight"], state["3.bias"] = torch.ones(3, 144), torch.ones(3)
    with pytest.raises(UserError, match=r"for 3 classes, but the network is made for 2 .*'3\.bias' is 3 in") as caught:
        load_state(network(), state)
    assert "name 3 in output.classes" in caught.value.hint


def test_weights_of_another_shape_name_the_first():
    state = network().state_dict()
    state["0.weight"], state["1.weight"] = torch.ones(4, 3, 3, 3), torch.ones(5)
    with pytest.raises(UserError, match=r"'0\.weight' is 4 x 3 x 3 x 3 in the file and 4 x 1 x 3 x 3") as caught:
        load_state(network(), state)
    assert "and 1 more differ" in caught.value.message


@pytest.mark.parametrize("wrap", [WRAPPED["lightning"], WRAPPED["plain"]])
def test_weights_of_another_architecture_name_the_one_they_belong_to(wrap):
    import torchvision

    theirs = torchvision.models.resnet18(num_classes=2)
    theirs.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    with pytest.raises(UserError, match="are missing") as caught:
        load_state(torchvision.models.squeezenet1_1(), read_state(saved(wrap(theirs.state_dict()))))
    assert caught.value.hint == (
        'These look like torchvision:resnet18 weights with 2 classes: write architecture = "torchvision:resnet18" and '
        "arguments = { num_classes = 2, in_channels = 1 }."
    )


def test_weights_of_no_known_network_point_at_the_guessing_command():
    with pytest.raises(UserError) as caught:
        load_state(network(), {"a.weight": torch.ones(3)})
    assert "model new" in caught.value.hint


def test_weights_that_are_no_numbers_are_refused_before_anything_is_computed():
    state = network().state_dict()
    state["0.weight"][1, 0, 2, 2] = float("nan")
    with pytest.raises(UserError, match=r"not numbers \(NaN\).*'0\.weight'"):
        load_state(network(), state)
