"""Writing an ensemble as one package."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.domain import Fold, ModelCard
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.case_lists import case_table
from saliency_viewer.models.files import CARD_NAME, SUMS_NAME
from saliency_viewer.models.package_writing import safetensors_bytes, write_files

if TYPE_CHECKING:
    from torch import Tensor

_HELD_OUT, _TRAINING = "held_out.csv", "training_cases.csv"


def write_ensemble(
    folder: str | Path,
    card: ModelCard,
    states: Mapping[str, Mapping[str, Tensor]],
    held_out: Mapping[str, str] | None = None,
    training_cases: Iterable[str] = (),
) -> None:
    """Write a package folder with the weights of every fold, all or nothing.

    Parameters
    ----------
    folder:
        Where; an older package there is replaced, any other non-empty folder refused.
    card:
        What the folds share; its ``weights`` and ``folds`` are replaced.
    states:
        Name of each fold to its weights.
    held_out:
        Digests of cases (:func:`~saliency_viewer.models.case_digest`) to the fold that was not trained on them.
    training_cases:
        Digests of cases that every fold was trained on.
    """
    folds = tuple(Fold(name, f"fold{number}.safetensors") for number, name in enumerate(states))
    trained = tuple(training_cases)
    card = replace(
        card,
        weights=folds[0].weights,
        folds=folds,
        held_out=_HELD_OUT if held_out else "",
        training_cases=_TRAINING if trained else "",
    )
    files = {fold.weights: safetensors_bytes(states[fold.name]) for fold in folds}
    if held_out:
        files[_HELD_OUT] = case_table(held_out).encode()
    if trained:
        files[_TRAINING] = case_table(trained).encode()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    write_files(folder, {**files, SUMS_NAME: sums.encode(), CARD_NAME: card_to_toml(card).encode()})
