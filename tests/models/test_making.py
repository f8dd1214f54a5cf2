"""From a checkpoint and a card to a package."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from saliency_viewer.domain import InputSpec
from saliency_viewer.errors import UserError
from saliency_viewer.models import load_package
from saliency_viewer.models.builtin import SmallCNN
from saliency_viewer.models.files import MemoryFiles
from saliency_viewer.models.intensity import parse_steps
from saliency_viewer.models.making import (
    INTENSITIES,
    draft_card,
    intensity_name,
    intensity_steps,
    package_of,
    refuse_place,
    write_new,
)
from saliency_viewer.models.prepared import Preparation
from saliency_viewer.models.recognition import Candidate, Inspection, inspect_checkpoint
from saliency_viewer.models.recognition.forms import ONNX, WEIGHTS


def saved(thing):
    stream = io.BytesIO()
    torch.save(thing, stream)
    return stream.getvalue()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SmallCNN(2, num_classes=2, width=4, downsamplings=1).eval()


@pytest.mark.parametrize("name", [name for name, _, _ in INTENSITIES])
@pytest.mark.parametrize("channels", [1, 3])
def test_named_steps_are_valid_and_keep_their_name(name, channels):
    steps = intensity_steps(name, channels)
    parse_steps([dict(step) for step in steps], channels)
    assert intensity_name(steps, channels) == name


def test_named_steps_do_what_they_say(make):
    values = np.array([[[-500, 40], [240, 900]]], dtype=np.float32)
    film = make.volume(values, value_range=(-500.0, 900.0))

    def given(name, channels):
        spec = InputSpec(channels=channels, fit="none", intensity=intensity_steps(name, channels))
        return Preparation(spec, film).of((0,), "cpu").inputs[0].numpy()

    np.testing.assert_allclose(given("window:40,400", 1).reshape(-1), [0, 0.5, 1, 1], atol=1e-6)
    np.testing.assert_allclose(given("unit", 1).reshape(-1), (values.reshape(-1) + 500) / 1400, atol=1e-6)
    brightest = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(given("imagenet", 3)[:, 1, 1], brightest, atol=1e-5)
    np.testing.assert_allclose(given("zscore", 1).mean(), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"), [("imagnet", "no intensity steps"), ("window:1", "no window"), ("window:1,0", "width")]
)
def test_unknown_steps_are_refused_with_the_near_ones(name, message):
    with pytest.raises(UserError, match=message):
        intensity_steps(name, 3)


@pytest.mark.parametrize(
    ("candidate", "layout", "channels", "classes", "activation"),
    [
        (Candidate("torchvision:resnet18", {}, 2, 2, 3, (224, 224)), "2d", 3, ("class 0", "class 1"), "softmax"),
        (Candidate("torchvision:resnet18", {}, 1, 2, 1, (224, 224)), "2d", 1, ("class 0", "class 1"), "sigmoid"),
        (Candidate("monai:DenseNet121", {}, 3, 2, 5, (224, 224)), "2.5d", 5, ("a", "b", "c"), "softmax"),
        (Candidate("monai:DenseNet121", {}, 3, 3, 1), "3d", 1, ("a", "b", "c"), "softmax"),
        (Candidate("onnx"), "2d", 3, ("class 0", "class 1"), "softmax"),
    ],
)
def test_a_draft_takes_what_is_known_and_the_usual_for_the_rest(candidate, layout, channels, classes, activation):
    form = ONNX if candidate.architecture == "onnx" else WEIGHTS
    card = draft_card(Inspection(form, (candidate,), classes=("a", "b", "c")), candidate)
    assert (card.input.layout, card.input.channels) == (layout, channels)
    assert (card.output.classes, card.output.activation) == (classes, activation)
    assert card.weights == form.file_name
    assert card.input.size == candidate.size


@pytest.mark.parametrize("suffix", ["", ".zip"])
@pytest.mark.parametrize("half", [False, True])
def test_what_is_written_answers_as_the_network_did(tmp_path, network, half, suffix):
    state = {f"net.{key}": value.half() if half else value for key, value in network.state_dict().items()}
    content = saved({"state_dict": state, "epoch": 1})
    found = inspect_checkpoint(content)
    files = package_of(content, draft_card(found, found.best))
    assert set(files) == {"model.toml", "weights.safetensors", "SHA256SUMS"}
    write_new(tmp_path / f"out{suffix}", files)
    rounded = network.half().float() if half else network
    image = torch.rand(2, 1, 24, 20)
    for place in (tmp_path / f"out{suffix}", MemoryFiles(files)):
        with torch.no_grad():
            torch.testing.assert_close(load_package(place).network(image), rounded(image), rtol=0, atol=0)


def test_a_draft_that_could_not_be_read_again_is_refused(network):
    content = saved(network.state_dict())
    found = inspect_checkpoint(content)
    card = draft_card(found, found.best)
    with pytest.raises(UserError, match=r"output\.classes"):
        package_of(content, replace(card, output=replace(card.output, classes=("a", "a"))))


def test_weights_and_programs_are_not_taken_for_each_other(network):
    content = saved(network.state_dict())
    found = inspect_checkpoint(content)
    card = draft_card(found, found.best)
    onnx_like = b"\x08\x09\x12\x07pytorch"
    with pytest.raises(UserError, match="an ONNX network"):
        package_of(onnx_like, card)


def test_own_code_goes_into_the_package_and_needs_consent(make):
    code = b"""
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(4, 2)
    def forward(self, x):
        return self.head(torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))
"""
    from saliency_viewer.models.card import parse_card

    card = parse_card(make.card_text(model='name = "t"\narchitecture = "python:net.py:Net"'))
    content = saved({"head.weight": torch.ones(2, 4), "head.bias": torch.zeros(2)})
    with pytest.raises(UserError, match="was not run"):
        package_of(content, card, {"net.py": code})
    files = package_of(content, card, {"net.py": code}, trust_code=True)
    assert files["net.py"] == code
    assert load_package(MemoryFiles(files), trust_code=True).outputs == 2


def test_places_where_nothing_may_be_written_are_refused_before_any_question(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    (tmp_path / "folder.zip").mkdir()
    for name in ("file", "full", "folder.zip"):
        with pytest.raises(UserError):
            refuse_place(tmp_path / name)
    refuse_place(tmp_path / "new")
    refuse_place(tmp_path / "new.zip")
