"""A model looked at before it is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from saliency_viewer.domain import ImageReference, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.models import parse_card
from saliency_viewer.models.builtin import SmallCNN
from saliency_viewer.models.files import MemoryFiles
from saliency_viewer.models.making import package_of
from saliency_viewer.pipeline import (
    Answered,
    ComputeProcess,
    Errand,
    Failed,
    InspectCheckpoint,
    NewPackage,
    Services,
    TryPackage,
    examine,
)
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.spatial import Geometry

CARD = """
[model]
name = "t"
architecture = "builtin:small-cnn-{dimensions}d"
arguments = {{ width = 4, downsamplings = 1 }}
[output]
classes = ["well", "sick"]
[input]
layout = "{dimensions}d"
size = {size}
intensity = [{{ step = "minmax" }}]
"""


def checkpoint(path: Path, dimensions: int = 2) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        torch.save(SmallCNN(dimensions, width=4, downsamplings=1).state_dict(), path)
    return path


def card(dimensions: int = 2):
    return parse_card(CARD.format(dimensions=dimensions, size=[8, 16, 16][3 - dimensions :]))


@pytest.fixture
def volume() -> Volume:
    array = np.random.default_rng(4).integers(0, 900, (6, 20, 18)).astype(np.int16)
    return Volume(array, Geometry.from_spacing((6, 20, 18), (3.0, 1.0, 1.0), "patient"), "CT")


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_model_is_asked_and_its_answer_explained(tmp_path: Path, volume: Volume, dimensions: int) -> None:
    files = package_of(checkpoint(tmp_path / "w.pt", dimensions).read_bytes(), card(dimensions))
    found = examine(MemoryFiles(files), volume=volume)
    assert found.good
    assert found.prediction.classes == ("well", "sick")
    assert (found.amap.method, found.amap.target) == ("grad-cam", found.prediction.label)
    seen = np.isfinite(found.amap.array).any(axis=(1, 2))
    assert seen[found.slice_index]
    assert seen.sum() == (1 if dimensions == 2 else 6)
    assert found.picture().ndim == 3
    assert [node.path for node in found.layers.walk() if node.path == "features.0.0"] == ["features.0.0"]


def test_where_no_layer_has_maps_the_gradient_is_shown(tmp_path: Path, volume: Volume) -> None:
    code = b"""
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(256, 2)
    def forward(self, x):
        return self.head(x.flatten(1))
"""
    text = CARD.format(dimensions=2, size=[16, 16]).replace("builtin:small-cnn-2d", "python:net.py:Net")
    text = text.replace("arguments = { width = 4, downsamplings = 1 }", "")
    torch.save({"head.weight": torch.randn(2, 256), "head.bias": torch.zeros(2)}, tmp_path / "w.pt")
    files = package_of((tmp_path / "w.pt").read_bytes(), parse_card(text), {"net.py": code}, trust_code=True)
    found = examine(MemoryFiles(files), True, volume)
    assert found.amap.method == "gradient"
    assert examine(MemoryFiles(files), False, volume).layers is None


def test_a_faulty_model_is_not_asked(tmp_path: Path, volume: Volume) -> None:
    files = package_of(checkpoint(tmp_path / "w.pt").read_bytes(), card())
    faulty = {**files, "model.toml": files["model.toml"].replace(b"[explain]", b'[explain]\nlayer = "none"')}
    found = examine(MemoryFiles(faulty), volume=volume)
    assert not found.good
    assert found.prediction is None
    assert found.layers is not None
    assert found.picture() is None


def test_methods_are_tried_on_noise_where_there_is_no_image(tmp_path: Path) -> None:
    files = package_of(checkpoint(tmp_path / "w.pt", 3).read_bytes(), card(3))
    methods = {one.method: one for one in examine(MemoryFiles(files), methods=True).methods}
    assert methods["integrated-gradients"].applies
    assert methods["occlusion"].applies
    assert not methods["full-grad"].applies
    assert methods["full-grad"].reason


def test_a_trial_has_what_a_dialog_shows_and_not_the_volume(tmp_path: Path, image: Path) -> None:
    new = NewPackage(str(checkpoint(tmp_path / "w.pt")), card())
    trial = TryPackage(new, ImageReference(str(image))).run(Services(), RunContext())
    assert trial.good
    assert trial.picture.dtype == np.uint8
    assert trial.words.startswith(f"Grad-CAM for {trial.prediction.label}")
    assert not hasattr(trial, "volume")


def test_the_compute_process_answers_requests_and_tells_no_path(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "Doe_Jane.pt")
    process = ComputeProcess()
    try:
        process.submit(Errand(1, InspectCheckpoint(str(path))))
        process.submit(Errand(2, InspectCheckpoint(str(tmp_path / "absent_Doe.pt"))))
        process.submit(
            Errand(3, TryPackage(NewPackage(str(path), card()), ImageReference(str(tmp_path / "no_Doe.nii"))))
        )
        ended = []
        while len(ended) < 3:
            ended += [event for event in process.events(1.0) if isinstance(event, (Answered, Failed))]
    finally:
        process.close()
    first, second, third = ended
    assert first.answer.best.architecture == "builtin:small-cnn-2d"
    assert "no checkpoint at that place" in second.message
    assert isinstance(third, Failed)
    assert not any("Doe" in text for one in (second, third) for text in (one.message, one.hint, one.detail))


def test_a_stopped_trial_ends_at_the_next_step(tmp_path: Path, volume: Volume) -> None:
    from saliency_viewer.errors import Cancelled

    files = package_of(checkpoint(tmp_path / "w.pt").read_bytes(), card())
    asked = iter([False] * 4 + [True] * 999)
    with pytest.raises(Cancelled):
        examine(MemoryFiles(files), volume=volume, context=RunContext(cancel=lambda: next(asked)))


def test_a_device_that_is_not_there_is_said(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    files = package_of(checkpoint(tmp_path / "w.pt").read_bytes(), card())
    with pytest.raises(UserError):
        examine(MemoryFiles(files), device="cuda")
