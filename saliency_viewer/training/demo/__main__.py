"""Trains, judges and writes the demo's packages: ``python -m saliency_viewer.training.demo --out resources/models``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from saliency_viewer.models import load_package, write_package
from saliency_viewer.models.builtin import BUILTIN
from saliency_viewer.training.demo.data import jitter, make_samples, unseen_phantoms
from saliency_viewer.training.demo.judge import judge, signed_maps
from saliency_viewer.training.demo.loop import train
from saliency_viewer.training.demo.recipes import RECIPES, Recipe

_LOG = logging.getLogger(__name__)
_TRAINING_SEED = 1_000_000  # far from the seeds that anyone would type
_UNSEEN_SEED = 0


def train_recipe(recipe: Recipe, out: Path, seed: int) -> None:
    """Train one classifier and write its package to ``out/NAME``."""
    torch.manual_seed(seed)
    network = BUILTIN[recipe.card.architecture.removeprefix("builtin:")](**recipe.card.arguments)
    samples = make_samples(recipe, _TRAINING_SEED)
    _LOG.info("%s: %d samples made", recipe.name, len(samples.labels))
    train(network, samples, recipe.plan, partial(jitter, recipe))
    write_package(out / recipe.name, recipe.card, network.state_dict())


def report(recipe: Recipe, out: Path, count: int) -> str:
    """One line of figures on unseen phantoms, computed through the package as a user would load it."""
    verdict = judge(load_package(out / recipe.name), unseen_phantoms(recipe, _UNSEEN_SEED, count), signed_maps)
    sides = ", ".join(f"{name} {verdict.localisation(name):.1%}" for name in sorted(verdict.right_side))
    return (
        f"{recipe.name}: {verdict.accuracy:.1%} of {verdict.cases} unseen phantoms right; "
        f"true side has the larger mass in {sides} of {verdict.explained} cases\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m saliency_viewer.training.demo", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the packages")
    parser.add_argument("--only", choices=sorted(RECIPES), action="append", help="train this one only")
    parser.add_argument("--seed", type=int, default=0, help="of weights and sample order")
    parser.add_argument("--unseen", type=int, default=200, help="phantoms to judge by")
    parser.add_argument("--judge-only", action="store_true", help="judge the packages that are there")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    for name in options.only or sorted(RECIPES):
        if not options.judge_only:
            train_recipe(RECIPES[name], options.out, options.seed)
        sys.stdout.write(report(RECIPES[name], options.out, options.unseen))
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
