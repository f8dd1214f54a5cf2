"""Packages whose weights file is a program: opened, checked and run as a user does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch_programs as files

from saliency_viewer.errors import UserError
from saliency_viewer.models import load_package
from saliency_viewer.models.layers import layer_tree
from saliency_viewer.models.package import check_package
from saliency_viewer.models.recognition import inspect_checkpoint

SHAPE = (1, 1, 12, 12)


def package(folder, make, architecture, content, size=12, channels=1):
    (folder / "network.bin").write_bytes(content)
    model = f'name = "t"\narchitecture = "{architecture}"\nweights = "network.bin"'
    inputs = f'size = [{size}, {size}]\nchannels = {channels}\nfit = "none"'
    (folder / "model.toml").write_text(make.card_text(model, 'classes = ["a", "b", "c"]', inputs))
    return folder


def written(architecture, network):
    if architecture == "torchscript":
        return files.scripted(network, SHAPE, "script")
    return files.exported(network, SHAPE)


@pytest.mark.parametrize("architecture", ["torchscript", "exported"])
def test_a_package_answers_as_the_network(tmp_path, make, architecture):
    network = files.randomised(files.Usual())
    classifier = load_package(package(tmp_path, make, architecture, written(architecture, network)))
    pixels = np.random.default_rng(0).normal(size=(1, 12, 12)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels)[None]).softmax(1)[0]
    found = classifier.predict(make.volume(pixels))
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-4)
    assert [node.path for node in layer_tree(classifier).walk() if node.path == "blocks.1.conv2"]


def test_a_program_that_torch_runs_as_a_whole_says_so(tmp_path, make):
    content = files.scripted(files.OnPixels().eval(), SHAPE, "script")
    folder = package(tmp_path, make, "torchscript", content)
    notes = [line for line in check_package(folder) if line.startswith("Note: This TorchScript")]
    assert len(notes) == 1
    assert "gradient methods" in notes[0]
    assert layer_tree(load_package(folder)).output == (3,)


@pytest.mark.parametrize(("size", "channels"), [(16, 1), (12, 3)])
def test_another_input_than_the_programs_is_a_fault(tmp_path, make, size, channels):
    content = files.exported(files.randomised(files.Usual()), SHAPE)
    with pytest.raises(UserError, match="1 x 12 x 12"):
        load_package(package(tmp_path, make, "exported", content, size, channels))


@pytest.mark.parametrize("architecture", ["torchscript", "exported"])
def test_a_new_package_is_drafted_from_the_program(architecture):
    found = inspect_checkpoint(written(architecture, files.randomised(files.Usual())))
    candidate = found.candidates[0]
    assert (candidate.architecture, candidate.outputs, candidate.channels) == (architecture, 3, 1)
    assert candidate.size == ((12, 12) if architecture == "exported" else ())
