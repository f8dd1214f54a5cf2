"""Sides of a data set: no patient on two, every class on each, the same ones for the same seed on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from saliency_viewer.domain.training import Side, TrainingData, TrainingSettings
from saliency_viewer.errors import UserError
from saliency_viewer.runtime.seeds import derived_seed

_ATTEMPTS = 50
_SIDES: tuple[Side, ...] = ("training", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Indices into the cases of a data set, in rising order. ``test`` may be empty."""

    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...] = ()


def split(data: TrainingData, settings: TrainingSettings) -> Split:
    """The sides of a training: those that the data set names, else shares of the patients drawn by the seed.

    A data set that names training and test only has its validation drawn from the training side. Raises
    :class:`UserError` naming the class when some class cannot be on every side.
    """
    if any(case.side for case in data.cases):
        return _named(data, settings)
    if settings.validation + settings.test >= 1:
        raise UserError(
            "Validation and test take all patients, so none are left to train on.", "Give them smaller shares."
        )
    shares = [1 - settings.validation - settings.test, settings.validation, settings.test]
    everything = range(len(data.cases))
    sides = _drawn(data, everything, shares if settings.test else shares[:2], settings.seed, "split")
    return Split(sides[0], sides[1], *sides[2:])


def folds(data: TrainingData, settings: TrainingSettings, count: int) -> tuple[Split, ...]:
    """``count`` splits for an ensemble: each case is in the ``test`` of exactly one, by patients and classes.

    What is left of each is training and validation, drawn as by :func:`split`. Raises :class:`UserError` when the
    data set names its own sides, when there are fewer than two folds, and when a class has fewer patients than folds.
    """
    if count < 2:
        raise UserError("Cross-validation needs at least two folds.", "Ask for 2 folds or more.")
    if any(case.side for case in data.cases):
        raise UserError(
            "The data set says itself which images are for training and which for testing, so there are no folds.",
            "Leave the split column out to draw folds.",
        )
    held = _drawn(data, range(len(data.cases)), [1 / count] * count, settings.seed, "folds")
    found = []
    for number, test in enumerate(held):
        rest = sorted(set(range(len(data.cases))) - set(test))
        shares = [1 - settings.validation, settings.validation]
        training, validation = _drawn(data, rest, shares, settings.seed, f"fold {number}")
        found.append(Split(training, validation, test))
    return tuple(found)


def patients_of(data: TrainingData, chosen: Iterable[int]) -> dict[str, list[int]]:
    """The cases of every patient among ``chosen``."""
    found: dict[str, list[int]] = {}
    for index in chosen:
        found.setdefault(data.cases[index].patient, []).append(index)
    return found


def _named(data: TrainingData, settings: TrainingSettings) -> Split:
    sides = {side: tuple(k for k, case in enumerate(data.cases) if case.side == side) for side in _SIDES}
    training, validation, test = (sides[side] for side in _SIDES)
    if len(training) + len(validation) + len(test) < len(data.cases):
        raise UserError("Some images have no side of the split.", "Give every image a side, or none.")
    owners = [set(patients_of(data, one)) for one in (training, validation, test)]
    if len(set.union(*owners)) < sum(map(len, owners)):
        raise UserError(
            "The data set's own split has images of one patient on two sides.", "Put them on one side each."
        )
    if not validation:
        shares = [1 - settings.validation, settings.validation]
        training, validation = _drawn(data, training, shares, settings.seed, "split")
    for name, chosen in (("training", training), ("validation", validation), ("test", test)):
        missing = _missing(data, chosen)
        if missing and (chosen or name != "test"):
            raise UserError(
                f"The {name} side of the data set's own split has no image of the class '{data.classes[missing[0]]}'.",
                "Put patients of every class on every side, or leave the split column out.",
            )
    return Split(training, validation, test)


def _missing(data: TrainingData, chosen: Iterable[int]) -> list[int]:
    """Classes of which no case is among ``chosen``."""
    return sorted(set(range(len(data.classes))) - {data.cases[index].label for index in chosen})


def _drawn(
    data: TrainingData, chosen: Sequence[int], shares: Sequence[float], seed: int, purpose: str
) -> list[tuple[int, ...]]:
    """Sides of about ``shares`` of the patients among ``chosen``, each with every class."""
    patients = patients_of(data, chosen)
    owned = {name: {data.cases[index].label for index in cases} for name, cases in patients.items()}
    _require_patients(data, owned, len(shares))
    for attempt in range(_ATTEMPTS):
        # Hashes order the patients: a library's shuffle may change with its version, and rows change places.
        order = sorted(owned, key=lambda name: (derived_seed(seed, purpose, attempt, name), name))
        sides = _stratified(order, owned, shares)
        cases = [tuple(sorted(index for name in side for index in patients[name])) for side in sides]
        if not any(_missing(data, side) for side in cases):
            return cases
    raise UserError(
        f"The patients cannot be parted into {len(shares)} sides with every class on each, since most of them have "
        "images of several classes.",
        "Ask for fewer sides, join rare classes, or add patients.",
    )


def _require_patients(data: TrainingData, owned: Mapping[str, set[int]], sides: int) -> None:
    for label, name in enumerate(data.classes):
        count = sum(label in labels for labels in owned.values())
        if count < sides:
            raise UserError(
                f"The class '{name}' has images of {count} patient{'' if count == 1 else 's'}, and each of the {sides} "
                "sides needs one.",
                "Add patients of that class, join it with another one, or ask for fewer sides (no test, fewer folds).",
            )


def _stratified(order: Sequence[str], owned: Mapping[str, set[int]], shares: Sequence[float]) -> list[list[str]]:
    """Iterative stratification of patients who may have several labels.

    Sechidis, Tsoumakas, Vlahavas, On the stratification of multi-label data, ECML PKDD 2011, algorithm 1: the label
    with the fewest patients left goes first, and each of its patients to the side that wants that label most. Here
    every side wants at least one patient of each label.
    """
    labels = sorted(set().union(*owned.values()))
    wanted = {label: _wants(sum(label in one for one in owned.values()), shares) for label in labels}
    room = _wants(len(order), shares)
    sides: list[list[str]] = [[] for _ in shares]
    left = dict.fromkeys(order)
    while left:
        counts = {label: sum(label in owned[name] for name in left) for label in labels}
        rarest = min((label for label in labels if counts[label]), key=lambda label: (counts[label], label))
        for name in [name for name in left if rarest in owned[name]]:
            side = max(range(len(shares)), key=lambda k: (wanted[rarest][k], room[k], -k))
            sides[side].append(name)
            room[side] -= 1
            for label in owned[name]:
                wanted[label][side] -= 1
            del left[name]
    return sides


def _wants(count: int, shares: Sequence[float]) -> list[float]:
    """How many of ``count`` patients each side is to have: its share, and one at least, at the cost of the largest."""
    wants = [max(share * count, 1.0) for share in shares]
    largest = max(range(len(shares)), key=lambda k: shares[k])
    wants[largest] += count - sum(wants)
    return wants
