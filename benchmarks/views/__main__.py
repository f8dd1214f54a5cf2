"""Trains, explains and measures: ``python -m benchmarks.views --data FOLDER --out docs``.

FOLDER holds ``labels.csv``, ``images`` and ``masks`` of chest radiographs as described in the tutorial. Takes about a
quarter of an hour on two processor cores; what was trained is kept in ``--work`` and not trained again.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

import saliency_viewer as sv
from benchmarks.views.changes import Changes, detail
from benchmarks.views.evidence import Share, shares
from benchmarks.views.figures import write_figures
from benchmarks.views.folds import ARCHITECTURE, SETTINGS, patient_folds, train_fold, untrained
from benchmarks.views.marks import listed_marks
from benchmarks.views.page import NAME, write_numbers
from benchmarks.views.pictures import VIEWS, Picture, read_pictures, small_copy
from benchmarks.views.results import AS_IT_IS, Answers, change_row, grey_row, share_rows
from saliency_viewer.domain import Volume
from saliency_viewer.models.prepared import Preparation
from saliency_viewer.pipeline import Model

_FOLDS = 5


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.views", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.csv, images and masks")
    parser.add_argument("--out", type=Path, required=True, help="the docs: numbers go to tutorials, figures to images")
    parser.add_argument("--work", type=Path, help="folder for copies and packages; without it they are thrown away")
    parser.add_argument("--seeds", type=int, default=2, help="trainings of each fold")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options.data, options.out, options.work or Path(folder), range(options.seeds))


def measure(data: Path, out: Path, work: Path, seeds: Sequence[int]) -> None:
    """Everything, step by step."""
    pictures = read_pictures(data, work / "images")
    own = [one for one in pictures if one.from_hospital]
    others = [one for one in pictures if not one.from_hospital]
    images = {one.file: small_copy(work / "images", one.file).resolve() for one in pictures}
    print(f"{len(own)} pictures of {len({one.patient for one in own})} patients; {len(others)} from elsewhere")
    fold_of = patient_folds(own, images, _FOLDS, work)
    packages = {
        (seed, fold): _trained(own, images, {file for file, k in fold_of.items() if k == fold}, work, seed, fold)
        for seed in seeds
        for fold in range(_FOLDS)
    }
    changes = Changes(pictures)
    answers, found = Answers(), []
    for (seed, fold), package in packages.items():
        model = sv.load_model(package)
        held_out = [one for one in own if fold_of[one.file] == fold]
        for change, picture, view in _asked(model, changes, held_out):
            answers.add(change, picture.file, view)
        for one in others:
            answers.add(AS_IT_IS, one.file, _ap(model, one.volume))
        fresh = untrained(package, 1000 + seed)
        for one in held_out:
            found += [*shares(model, one, "trained", seed), *shares(fresh, one, "untrained", seed)]
        print(f"seed {seed}, fold {fold}: asked and explained")
    numbers = _numbers(own, others, answers, found, next(iter(packages.values())), changes)
    tutorials = out / "tutorials"
    tutorials.mkdir(parents=True, exist_ok=True)
    (tutorials / f"{NAME}.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    _write_shares(found, tutorials / f"{NAME}.csv")
    write_numbers(numbers, tutorials / f"{NAME}.md")
    write_figures(numbers, own, others, fold_of, packages, out / "images")


def _trained(
    own: Sequence[Picture], images: dict[str, Path], held_out: set[str], work: Path, seed: int, fold: int
) -> Path:
    package = train_fold(own, images, held_out, work / f"seed{seed}-fold{fold}", seed)
    print(f"seed {seed}, fold {fold}: trained without {len(held_out)} pictures")
    return package


def _asked(model: Model, changes: Changes, pictures: Sequence[Picture]) -> Iterator[tuple[str, Picture, float]]:
    for name, change in changes.named.items():
        for one in pictures:
            yield name, one, _ap(model, one.changed(change(one)))


def _ap(model: Model, volume: Volume) -> float:
    said = model.predict(volume)
    return float(said.probabilities[said.classes.index(VIEWS[1])])


def _numbers(
    own: Sequence[Picture],
    others: Sequence[Picture],
    answers: Answers,
    found: Sequence[Share],
    package: Path,
    changes: Changes,
) -> dict[str, Any]:
    spec = sv.load_model(package).card.input
    seen = np.array([float(Preparation(spec, one.volume).of((0,)).inputs.mean()) for one in own])
    raw = np.array([float(one.grey.mean()) for one in own])
    with_marks = [one for one in own if one.marks.any()]
    return {
        "pictures": len(own),
        "patients": len({one.patient for one in own}),
        "by_view": {name: sum(one.view == k for one in own) for k, name in enumerate(VIEWS)},
        "with_marks": {name: sum(one.view == k for one in with_marks) for k, name in enumerate(VIEWS)},
        "marks_listed_by_eye": sum(len(listed_marks(one.file, one.grey.shape)) for one in own),
        "network": ARCHITECTURE,
        "settings": asdict(SETTINGS),
        "folds": _FOLDS,
        "trainings": len({one.seed for one in found}),
        "single_numbers": [
            grey_row("mean grey of the file", raw, own),
            grey_row("mean grey of the network's input", seen, own),
            grey_row("strength of fine detail", np.array([detail(one.grey) for one in own]), own),
        ],
        "changes": [change_row(answers, change, _touched(change, own)) for change in changes.named],
        "elsewhere": [
            {
                "file": one.file,
                "mean_grey": float(one.grey.mean()),
                "detail": detail(one.grey),
                "ap": float(answers.mean(AS_IT_IS, [one])[0]),
            }
            for one in others
        ],
        "shares": share_rows(found),
    }


def _touched(change: str, own: Sequence[Picture]) -> list[Picture]:
    """The pictures that a change touches: without marks there are none to fill."""
    return [one for one in own if one.marks.any() or change not in ("marks filled", "as much elsewhere filled")]


def _write_shares(found: Sequence[Share], path: Path) -> None:
    """One row for each picture, network, method and place; patients stay out."""
    names = [one.name for one in fields(Share) if one.name != "patient"]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        for one in found:
            values = [getattr(one, name) for name in names]
            writer.writerow([f"{value:.4g}" if isinstance(value, float) else value for value in values])


if __name__ == "__main__":
    main()
