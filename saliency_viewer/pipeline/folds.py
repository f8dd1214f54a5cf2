"""Which network of an ensemble explains a case, and whether the model knows the case from its training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from saliency_viewer.domain import ModelCard
from saliency_viewer.exporters import keyed_digest
from saliency_viewer.models import CaseLists, case_digest
from saliency_viewer.models.card import ALL_FOLDS


@dataclass(frozen=True)
class FoldChoice:
    """The fold to load (empty: the only network; "mean": all folds), and a warning where the case was trained on."""

    fold: str = ""
    is_training_case: bool = False
    warning: str = ""


def keyed_case_digest(identifier: str) -> str:
    """A digest for case lists that only this installation can match to a case.

    A plain one (:func:`saliency_viewer.models.case_digest`) is matched anywhere, and can be guessed by who knows how
    identifiers look.
    """
    return keyed_digest("training case", identifier.strip())


def choose_fold(
    card: ModelCard, lists: CaseLists, wanted: str, identifiers: Iterable[str], image_digest: str = ""
) -> FoldChoice:
    """The fold for one case.

    Parameters
    ----------
    card, lists:
        Of the package.
    wanted:
        The fold that was asked for; empty: the one that held the case out, else all together.
    identifiers:
        What the case is known by: subject, patient; empty ones do not count.
    image_digest:
        Digest of the image's own values, by which a case may be listed too.
    """
    known = {text.strip() for text in identifiers} - {""}
    digests = {case_digest(text) for text in known} | {keyed_case_digest(text) for text in known} | {image_digest}
    trained_everywhere = bool(digests & lists.trained)
    if not card.folds:
        return FoldChoice(wanted, trained_everywhere, training_warning("") if trained_everywhere else "")
    held_out_by = sorted({lists.held_out[digest] for digest in digests if digest in lists.held_out})
    fold = wanted or (held_out_by[0] if len(held_out_by) == 1 else ALL_FOLDS)
    # A case that one fold held out was trained on by all others.
    is_trained = trained_everywhere or (bool(held_out_by) and held_out_by != [fold])
    return FoldChoice(fold, is_trained, training_warning(fold, held_out_by) if is_trained else "")


def training_warning(fold: str, held_out_by: Sequence[str] = ()) -> str:
    """What is said of a case that the model, or this fold of it, was trained on."""
    several = {"": "the model was", ALL_FOLDS: "the folds were"}
    who = several.get(fold, f"fold {fold} was")
    cure = f" Fold {held_out_by[0]} was not trained on it." if len(held_out_by) == 1 else ""
    return (
        f"This case was among those that {who} trained on: what is shown may be remembered from there rather than "
        f"seen in the image.{cure}"
    )
