"""Plans, and tables of random pictures, written by the tests that read them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from saliency_viewer.domain.training import TrainingPlan, TrainingSettings


def plan_of(kind, root, columns=None, limit=0, **settings):
    return TrainingPlan(
        kind,
        str(root),
        "torchvision:densenet121",
        "package",
        TrainingSettings(**settings),
        columns or {},
        limit=limit,
    )


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def write_rows(path: Path, rows, delimiter=",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


def picture(path: Path, seed: int, shape=(12, 16)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(values).save(path)
    return path


class Tables:
    """Writes a table of random pictures; ``root`` is its folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, rows, header=("image", "label", "patient"), delimiter=",", draw=True) -> Path:
        if draw:
            for number, row in enumerate(rows):
                if row[0] and not (self.root / row[0]).exists():
                    picture(self.root / row[0], number)
        return write_rows(self.root / "table.csv", [header, *rows], delimiter)

    def plain(self, count=12):
        """Rows of ``count`` pictures of as many patients, of the classes 0 and 1 by turns."""
        return [[f"{number}.png", str(number % 2), f"Muster^{number}"] for number in range(count)]
