"""Cross-validation by patient: every picture is judged by a network that has seen no picture of its patient."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import saliency_viewer as sv
from benchmarks.views.pictures import VIEWS, Picture
from saliency_viewer.domain import TrainingPlan, TrainingSettings
from saliency_viewer.pipeline import Model, run_training
from saliency_viewer.training.datasets import folds, load_data

ARCHITECTURE = "small-cnn-2d"
# Small batches: so few pictures make too few steps otherwise.
SETTINGS = TrainingSettings(epochs=25, batch_size=8, size=128, learning_rate=2e-3, patience=0, validation=0.2)
_FOLDS_SEED = 0  # the same folds for every seed of the training


def patient_folds(pictures: Sequence[Picture], images: dict[str, Path], count: int, work: Path) -> dict[str, int]:
    """The fold in which each file is tested."""
    table = work / "all.csv"
    _write_table(table, [(one, "") for one in pictures], images)
    settings = replace(SETTINGS, seed=_FOLDS_SEED)
    data = load_data(TrainingPlan("csv", str(table), ARCHITECTURE, "", settings))
    of_image = {str(images[one.file]): one.file for one in pictures}
    return {
        of_image[data.cases[case].image.path]: number
        for number, fold in enumerate(folds(data, settings, count))
        for case in fold.test
    }


def train_fold(pictures: Sequence[Picture], images: dict[str, Path], held_out: set[str], out: Path, seed: int) -> Path:
    """Train on all but ``held_out``, which becomes the test side; returns the package. One that is there is kept."""
    if (out / "report" / "report.html").exists():
        return out
    table = out.with_suffix(".csv")
    _write_table(table, [(one, "test" if one.file in held_out else "train") for one in pictures], images)
    run_training(TrainingPlan("csv", str(table), ARCHITECTURE, str(out), replace(SETTINGS, seed=seed)))
    return out


def untrained(package: Path, seed: int) -> Model:
    """The same network with fresh random weights."""
    import torch

    made = sv.load_model(package)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in made.network.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
    return made


def _write_table(path: Path, rows: Sequence[tuple[Picture, str]], images: dict[str, Path]) -> None:
    """Columns image, label, patient, and split where a side is given."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "label", "patient", *(["split"] if rows[0][1] else [])])
        writer.writerows(
            [images[one.file], VIEWS[one.view], one.patient, *([side] if side else [])] for one, side in rows
        )
