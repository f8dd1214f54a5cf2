from __future__ import annotations

import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))  # test folders are no packages, and tests share tiny_card

from tiny_card import CARD


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings and state of the tests' own."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return home


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A package with random weights."""
    import torch

    from saliency_viewer.models import write_package
    from saliency_viewer.models.builtin import SmallCNN

    with torch.random.fork_rng():
        torch.manual_seed(11)
        write_package(tmp_path / "model", CARD, SmallCNN(3, width=4, downsamplings=1).state_dict())
    return tmp_path / "model"


def _save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.2, 0.9, 3.0, 1.0])), path)
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """One small volume in a folder of its own."""
    values = np.random.default_rng(1).integers(0, 900, (18, 22, 7)).astype(np.int16)
    return _save(tmp_path / "input" / "scan.nii.gz", values)


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """Labels 1 and 2 on the grid of ``image``."""
    labels = np.zeros((18, 22, 7), dtype=np.uint8)
    labels[3:9, 4:12, 2:5] = 1
    labels[11:15, 4:12, 2:5] = 2
    return _save(tmp_path / "masks" / "regions.nii.gz", labels)


@pytest.fixture
def other_mask(tmp_path: Path) -> Path:
    """A label map of another part of the body."""
    moved = np.diag([1.2, 0.9, 3.0, 1.0])
    moved[2, 3] = 400.0
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 6, 7), dtype=np.uint8), moved), tmp_path / "other.nii.gz")
    return tmp_path / "other.nii.gz"
