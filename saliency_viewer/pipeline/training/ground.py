"""Everything that is settled before a training begins: cases, splits, network, card. What can be refused is refused."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.domain import (
    ModelCard,
    TrainingCase,
    TrainingData,
    TrainingPlan,
    TrainingSettings,
    Volume,
    parameter_specs,
)
from saliency_viewer.errors import UserError
from saliency_viewer.pipeline.training.place import require_place, work_folder
from saliency_viewer.runtime.context import RunContext
from saliency_viewer.training.cards import training_card
from saliency_viewer.training.datasets import Split, load_data, split
from saliency_viewer.training.networks import TrainableNetwork, build_untrained, network_named
from saliency_viewer.training.pretrained import start_from
from saliency_viewer.training.reading import read_image

if TYPE_CHECKING:
    from torch import nn

_SAMPLES = 5  # images by which preprocessing is chosen
_READ = 0.9  # share of the time before the network is made
SPLITS = ("training", "validation", "test")


@dataclass(frozen=True, eq=False)
class Ground:
    """A training before its first step.

    ``split`` holds indices into ``data.cases``; ``module`` is the network with the weights that it starts from.
    """

    plan: TrainingPlan
    data: TrainingData
    split: Split
    network: TrainableNetwork
    card: ModelCard
    module: nn.Module = field(repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def work(self) -> Path:
        """Where prepared images and the checkpoint are until the package is written: beside it."""
        return work_folder(self.plan)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(cases,) class indices of all cases."""
        return np.array([case.label for case in self.data.cases], dtype=np.int64)

    @cached_property
    def patients(self) -> tuple[str, ...]:
        """Whose image each case is."""
        return tuple(case.patient for case in self.data.cases)

    def cases(self, name: str) -> tuple[int, ...]:
        """The cases of a split, by its name."""
        return tuple(getattr(self.split, name))

    def without(self, lost: Sequence[int], warning: str) -> Ground:
        """Leave cases out that cannot be used; raises :class:`UserError` when a split lacks a class then."""
        gone = set(lost)
        rest = Split(*(tuple(case for case in self.cases(name) if case not in gone) for name in SPLITS))
        left = replace(self, split=rest, warnings=(*self.warnings, warning))
        require_classes(left)
        return left


def lay_ground(plan: TrainingPlan, context: RunContext) -> Ground:
    """Read the data set's tables, split it, choose the preprocessing by a few images, and make the network.

    Raises :class:`UserError` for anything that would fail later.
    """
    network = network_named(plan.architecture)
    settings = checked_settings(plan.settings)
    require_place(plan)
    data = load_data(plan, context.part(0.0, _READ))
    parts = split(data, settings)
    context.report(_READ, "Making the network")
    card = training_card(network, data, settings, _samples(data.cases, parts.training))
    module = build_untrained(network, card.arguments, card.input.size[0], settings.seed)
    start_from(network, module, settings.pretrained)
    said = _looked_over(network, card, module)
    return Ground(plan, data, parts, network, card, module, (*data.warnings, *said))


def checked_settings(settings: TrainingSettings) -> TrainingSettings:
    """The settings, each within its range; raises :class:`UserError` naming the first that is not."""
    values = {spec.name: spec.parse(getattr(settings, spec.name)) for spec in parameter_specs(TrainingSettings)}
    return TrainingSettings(**values)


def require_classes(ground: Ground) -> None:
    """Raise :class:`UserError` unless training and validation have cases of every class."""
    for name in SPLITS[:2]:
        counts = Counter(int(ground.labels[case]) for case in ground.cases(name))
        lacking = [one for k, one in enumerate(ground.data.classes) if not counts[k]]
        if lacking:
            raise UserError(
                f"There are no {name} cases left of the class '{lacking[0]}'.",
                "Copy the images that could not be used again, or add patients of this class.",
            )


def plan_record(ground: Ground, digests: Sequence[str]) -> dict[str, Any]:
    """What two trainings must have in common for one to go on from the other's checkpoint; no paths, no names."""
    settings = {spec.name: getattr(ground.plan.settings, spec.name) for spec in parameter_specs(TrainingSettings)}
    settings["pretrained"] = hashlib.sha256(str(settings["pretrained"]).encode()).hexdigest()
    return {
        "architecture": ground.network.name,
        "classes": list(ground.data.classes),
        **settings,
        "training_cases": cases_digest(ground, "training", digests),
        "validation_cases": cases_digest(ground, "validation", digests),
    }


def cases_digest(ground: Ground, name: str, digests: Sequence[str]) -> str:
    """SHA-256 over the images of a split and their labels, in order."""
    rows = (f"{digests[case]} {ground.data.cases[case].label}" for case in ground.cases(name))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _samples(cases: Sequence[TrainingCase], training: Sequence[int]) -> list[Volume]:
    """Some training images from all over the set. What cannot be read is said when all images are prepared."""
    chosen = np.linspace(0, len(training) - 1, min(_SAMPLES, len(training))).astype(int)
    found = []
    for place in chosen:
        with suppress(UserError):
            found.append(read_image(cases[training[place]].image))
    return found


def _looked_over(network: TrainableNetwork, card: ModelCard, module: nn.Module) -> tuple[str, ...]:
    """Run the network once on zeros: it must take the size. Returns what is to be said of its maps."""
    from saliency_viewer.models import Classifier, layer_tree

    size = " x ".join(map(str, card.input.size))
    try:
        tree = layer_tree(Classifier(card, module.eval(), ""))
    except UserError as error:
        raise UserError(
            f"{network.label} cannot take images of {size}.",
            f"Choose a larger size; it is used with {network.size}.",
            error.detail,
        ) from error
    maps = next((node.output for node in tree.walk() if node.path == network.layer), ())
    if math.prod(maps[1:]) > 1:
        return ()
    return (
        f"At {size} the last maps of {network.label} have a single position, so no class activation map can tell "
        f"places apart; it is used with {network.size}.",
    )
