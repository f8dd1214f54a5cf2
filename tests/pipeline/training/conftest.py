"""A set of small pictures that a small network learns in a second."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from saliency_viewer.domain import TrainingPlan, TrainingSettings

SETTINGS = TrainingSettings(epochs=3, batch_size=8, size=24, learning_rate=5e-3, patience=0)


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes pictures with and without bright squares, masks of these, and a table."""

    def make(count: int = 40, classes: int = 2, masks: bool = False) -> Path:
        random = np.random.default_rng(0)
        folder = tmp_path / "set"
        folder.mkdir()
        with (folder / "cases.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("image", "label", "patient", "mask"))
            for number in range(count):
                label = number % classes
                values = random.normal(100, 18, (30, 26))
                inside = np.zeros((30, 26), np.uint8)
                if label:
                    inside[4 + 8 * label : 12 + 8 * label, 6:14] = 255
                values[inside > 0] += 90
                Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).save(folder / f"scan {number}.png")
                name = ""
                if masks and label:
                    name = f"mask {number}.png"
                    Image.fromarray(inside).save(folder / name)
                # Of every three pictures two are of one patient.
                writer.writerow((f"scan {number}.png", f"kind {label}", f"Doe {number - (number % 3 == 1)}", name))
        return folder / "cases.csv"

    return make


@pytest.fixture
def plan_for(tmp_path: Path) -> Callable[..., TrainingPlan]:
    """A function that makes a plan for a table; settings may be changed by name."""

    def make(table: Path, out: str = "package", architecture: str = "small-cnn-2d", **settings: object) -> TrainingPlan:
        from dataclasses import replace

        return TrainingPlan("csv", str(table), architecture, str(tmp_path / out), replace(SETTINGS, **settings))

    return make


@pytest.fixture(scope="module")
def module_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings of a module's own, for what is trained once for all its tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("XDG_STATE_HOME", str(home / "state"))
        yield home
