"""Small packages, volumes and grids for the tests of model packages."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from saliency_viewer.domain import Volume
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.forward import make_ready
from saliency_viewer.spatial import Geometry

sys.path.append(str(Path(__file__).parent))  # test folders are no packages, and tests share files of networks


def card_text(
    model: str = 'name = "t"\narchitecture = "builtin:none"',
    output: str = 'classes = ["normal", "lesion"]',
    inputs: str = "size = [16, 16]",
    explain: str = "",
) -> str:
    return f"[model]\n{model}\n[output]\n{output}\n[input]\n{inputs}\n[explain]\n{explain}\n"


class Mean(nn.Module):
    """Logit k is ``factors[k]`` times the mean of the input."""

    def __init__(self, *factors: float) -> None:
        super().__init__()
        self.register_buffer("factors", torch.tensor(factors))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).mean(1, keepdim=True) * self.factors


def classifier(network: nn.Module, **tables: str) -> Classifier:
    card = parse_card(card_text(**tables))
    return Classifier(card, make_ready(network, card.input, "cpu"), "hash")


def volume(array: np.ndarray, geometry: Geometry | None = None, **more: object) -> Volume:
    array = np.asarray(array)
    return Volume(array, geometry or Geometry.from_spacing(array.shape), **more)


def oblique(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], order: tuple[int, ...] = (2, 1, 0)
) -> Geometry:
    """A rotated anisotropic grid whose index axes run near the patient axes ``order``, each backwards."""
    a, b = np.deg2rad(11.0), np.deg2rad(-7.0)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = (about_z @ about_x)[:, list(order)] * -np.asarray(spacing)
    affine[:3, 3] = (12.0, -40.0, 77.0)
    return Geometry(shape, affine)


@pytest.fixture(autouse=True, scope="module")
def same_numbers_for_the_module() -> None:
    """Networks begin with torch's random numbers: the same ones, whatever ran before in this process."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def same_numbers_for_the_test() -> None:
    """The same for every test."""
    torch.manual_seed(0)


@pytest.fixture
def make() -> ModuleType:
    """The functions of this file (test modules cannot import each other)."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def make_module() -> ModuleType:
    """The same for generated tests, which take no fixture of a single test."""
    return sys.modules[__name__]
