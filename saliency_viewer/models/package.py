"""Reading and checking model packages."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from saliency_viewer.domain import Fold, ModelCard
from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures import architecture_of, build_network
from saliency_viewer.models.bundle import read_bundle
from saliency_viewer.models.card import parse_card
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.case_lists import read_case_lists
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.ensemble import Ensemble, chosen_folds
from saliency_viewer.models.files import CARD_NAME, SUMS_NAME, PackageFiles, WatchedFiles, missing, open_files
from saliency_viewer.models.fold_faults import in_fold
from saliency_viewer.models.forward import make_ready, network_shape
from saliency_viewer.models.logits import give_logits
from saliency_viewer.models.own_code import OwnCode, Trust, own_code
from saliency_viewer.models.weights import load_state, read_state

if TYPE_CHECKING:
    from torch import Tensor, nn


def load_package(
    path: str | Path | PackageFiles,
    trust_code: Trust = False,
    device: str = "cpu",
    runs: bool = True,
    fold: str = "",
) -> Classifier:
    """The classifier in a package: a folder, the ``model.toml`` in it, or a zip.

    Parameters
    ----------
    path:
        Where it is, or its files.
    trust_code:
        Whether a ``python:`` architecture may run: True or False, a set of the sha256 that may, or a function that is
        asked with the sha256 of the code.
    device:
        ``cpu`` or ``cuda``.
    runs:
        Whether it is run once on zeros, which tells whether its head and the card's layer fit.
    fold:
        Of an ensemble the one to load; empty or "mean" for all of them together.

    Raises
    ------
    UserError
        For everything that can be wrong with a package, with what to do about it. Nothing is downloaded,
        and no code in the weights file is run.
    """
    files = path if isinstance(path, PackageFiles) else open_files(path)
    card, card_bytes, doubts = _card_in(files)
    if card.task != "classification":
        raise UserError(
            "This package holds a segmentation network, which cannot be explained yet.",
            "Choose a package with a classification network.",
        )
    read_case_lists(files, card)
    trust = functools.cache(trust_code) if callable(trust_code) else trust_code  # asked once, not for every fold
    folds = chosen_folds(card, fold)
    members = [_member(card, card_bytes, one, files, trust, device, doubts) for one in folds]
    classifier = members[0] if len(members) == 1 else Ensemble(members)
    if runs:
        _check_layer(classifier)
    return classifier


def _member(
    card: ModelCard,
    card_bytes: bytes,
    fold: Fold,
    files: PackageFiles,
    trust_code: Trust,
    device: str,
    doubts: tuple[str, ...],
) -> Classifier:
    """One network with its weights."""
    if architecture_of(card.architecture)[0].program:
        with in_fold(fold.name):
            network, digests = _program(card, fold, files, trust_code)
    else:
        network, digests = _filled(card, fold, files, trust_code)
    with in_fold(fold.name):
        give_logits(network, card.output)
    code = own_code(card.architecture, files)
    first, *beside = digests
    parts = hashlib.sha256(card_bytes).digest(), first, bytes.fromhex(code.digest) if code else b"", *beside
    model_hash = hashlib.sha256(b"".join(parts)).hexdigest()
    return Classifier(card, make_ready(network, card.input, device), model_hash, device, fold.name, doubts)


def _content(files: PackageFiles, weights: str) -> tuple[bytes, bytes]:
    """The weights file's bytes and their sha256, which is that of the package's list."""
    if not files.has(weights):
        raise missing(weights)
    content = files.read(weights)
    digest = hashlib.sha256(content)
    compare_sums(files, weights, digest.hexdigest())
    return content, digest.digest()


def _state(files: PackageFiles, weights: str) -> tuple[dict[str, Tensor], bytes]:
    """The tensors of the weights file, and its sha256. Its bytes, as many again, are let go here."""
    content, digest = _content(files, weights)
    return read_state(content), digest


def _filled(card: ModelCard, fold: Fold, files: PackageFiles, trust_code: Trust) -> tuple[nn.Module, tuple[bytes, ...]]:
    """A network that was built and filled with its weights, and the sha256 of their file."""
    with in_fold(fold.name):
        state, digest = _state(files, fold.weights)
    # What is wrong with the arguments or the code is so for all folds.
    network = build_network(card.architecture, card.arguments, files, state.keys(), trust_code)
    with in_fold(fold.name):
        load_state(network, state)
    return network, (digest,)


def _program(
    card: ModelCard, fold: Fold, files: PackageFiles, trust_code: Trust
) -> tuple[nn.Module, tuple[bytes, ...]]:
    """A network that is its file, and the sha256 of that file and of those that it is continued in."""
    content, digest = _content(files, fold.weights)
    shape, watched = network_shape(card.input), WatchedFiles(files)
    network = build_network(card.architecture, card.arguments, watched, (), trust_code, content, fold.weights, shape)
    for name, found in watched.digests.items():
        compare_sums(files, name, found)
    return network, (digest, *(bytes.fromhex(found) for _, found in sorted(watched.digests.items())))


def read_card(path: str | Path) -> tuple[ModelCard, OwnCode | None]:
    """The card of the package at ``path`` and the Python file it brings, without weights and without torch.

    Raises :class:`UserError` when there is no package or its card is wrong.
    """
    files = open_files(path)
    card, _, _ = _card_in(files)
    return card, own_code(card.architecture, files)


def _card_in(files: PackageFiles) -> tuple[ModelCard, bytes, tuple[str, ...]]:
    """(the card, its bytes, what of a bundle is not followed); a MONAI bundle's card is made of what it says."""
    if not files.has(CARD_NAME):
        bundle = read_bundle(files)
        text = card_to_toml(bundle.card)
        return parse_card(text), text.encode(), bundle.doubts
    content = files.read(CARD_NAME)
    try:
        return parse_card(content.decode("utf-8-sig")), content, ()
    except UnicodeDecodeError as error:
        raise UserError("model.toml is not UTF-8 text.", "Save it as UTF-8.") from error


def compare_sums(files: PackageFiles, name: str, found: str) -> None:
    """Raise :class:`UserError` when the package lists another sha256 than ``found`` for its file ``name``."""
    if not files.has(SUMS_NAME):
        return
    for line in files.read(SUMS_NAME).decode("utf-8", "replace").splitlines():
        wanted, _, listed = line.partition("  ")
        if listed == name and wanted != found:
            raise UserError(
                f"The weights file '{name}' is not the one that this package was written with (its sha256 differs).",
                f"Copy the package again; if the weights were changed on purpose, remove {SUMS_NAME}.",
            )


def _check_layer(classifier: Classifier) -> None:
    """Run once on zeros: a head or layer that does not fit is better said now than after reading a study."""
    from saliency_viewer.models.checked_table import near_match

    classifier.outputs  # noqa: B018 - computed, checked and kept
    layer = classifier.card.explain.layer
    names = [name for name, _ in classifier.members[0].network.named_modules() if name]
    if layer is not None and layer not in names:
        raise UserError(f"model.toml: the network has no layer '{layer}'.", near_match(layer, names))


def check_package(path: str | Path, trust_code: Trust = False) -> list[str]:
    """Load the package, run it once on zeros, and say in sentences what it is.

    Raises :class:`UserError` with the first thing that is wrong.
    """
    classifier = load_package(path, trust_code)
    return describe(classifier) + [f"Note: {doubt}" for doubt in classifier.doubts]


def describe(classifier: Classifier) -> list[str]:
    """What a loaded model is, in sentences."""
    card = classifier.card
    weights = sum(parameter.numel() for parameter in classifier.network.parameters())
    size = " x ".join(map(str, card.input.size)) or "any size"
    fit = f"{len(card.input.spatial)} spatial steps" if card.input.spatial else f"fit {card.input.fit}"
    folds = ", ".join(fold.name for fold in card.folds)
    lines = [
        f"{card.name} {card.version}: {card.architecture}, {weights:,} parameters.",
        *([f"An ensemble of {len(card.folds)} folds: {folds}."] if folds else []),
        f"Input: {card.input.layout}, channels {card.input.channels}, {size}, {fit}.",
        f"Output: {classifier.outputs} for the classes {', '.join(card.output.classes)} ({card.output.activation}).",
        f"sha256: {classifier.model_hash}",
    ]
    lines += [f"Note: {note}" for note in getattr(classifier.network, "notes", ())]
    if not (card.input.intensity or card.input.intensity_after):
        lines.append("Note: no intensity steps, so the network gets the modality values as they are.")
    return lines
