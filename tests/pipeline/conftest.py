from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

CARD_2D = """
[model]
name = "Tiny plane"
version = "0.1"
architecture = "builtin:small-cnn-2d"
weights = "weights.safetensors"
arguments = { width = 4, downsamplings = 1 }

[output]
classes = ["well", "sick"]
activation = "softmax"
aggregate = "max"

[input]
layout = "2d"
channels = 1
size = [24, 20]
fit = "letterbox"
intensity = [{ step = "minmax" }]
"""
CARD_3D = (
    CARD_2D.replace("Tiny plane", "Tiny block")
    .replace("small-cnn-2d", "small-cnn-3d")
    .replace('layout = "2d"', 'layout = "3d"')
    .replace("size = [24, 20]", "size = [8, 24, 20]")
    .replace('aggregate = "max"\n', "")
)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings and state of the tests' own."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return home


def _package(folder: Path, card: str, dimensions: int) -> Path:
    import torch

    from saliency_viewer.models import write_package
    from saliency_viewer.models.builtin import SmallCNN

    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = SmallCNN(dimensions, width=4, downsamplings=1)
    write_package(folder, card, network.state_dict())
    return folder


@pytest.fixture(scope="session")
def plane_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slice-wise package with random weights."""
    return _package(tmp_path_factory.mktemp("models") / "plane", CARD_2D, 2)


@pytest.fixture(scope="session")
def block_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 3D package with random weights."""
    return _package(tmp_path_factory.mktemp("models") / "block", CARD_3D, 3)


def write_nifti(path: Path, seed: int, shape: tuple[int, int, int] = (18, 22, 7)) -> Path:
    """A small image in NIfTI's axis order (x, y, z) with an oblique, anisotropic affine."""
    rng = np.random.default_rng(seed)
    angle = np.deg2rad(15.0)
    affine = np.eye(4)
    affine[:2, :2] = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (1.2, 0.9)
    affine[2, 2] = 3.0
    affine[:3, 3] = (-20.0, 14.0, -60.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(rng.integers(0, 900, shape).astype(np.int16), affine), path)
    return path


ImageMaker = Callable[..., Path]


@pytest.fixture(scope="session")
def make_image() -> ImageMaker:
    """A function ``(path, seed, shape)`` that writes a small volume."""
    return write_nifti


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """One small volume."""
    return write_nifti(tmp_path / "input" / "scan.nii.gz", 1)


@pytest.fixture
def mask(tmp_path: Path, image: Path) -> Path:
    """Labels 1 and 2 on the grid of ``image``."""
    source = nibabel.load(image)
    labels = np.zeros(source.shape, dtype=np.uint8)
    labels[3:9, 4:12, 2:5] = 1
    labels[11:15, 4:12, 2:5] = 2
    path = tmp_path / "masks" / "regions.nii.gz"
    path.parent.mkdir()
    nibabel.save(nibabel.Nifti1Image(labels, source.affine), path)
    return path
