"""Checking a whole package: all that is wrong with it, as far as it can be looked into."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from saliency_viewer.domain import ModelCard, Volume
from saliency_viewer.errors import UserError
from saliency_viewer.models.architectures import architecture_of
from saliency_viewer.models.bundle import read_bundle
from saliency_viewer.models.card_text import card_to_toml
from saliency_viewer.models.case_lists import read_case_lists
from saliency_viewer.models.checked_table import near_match
from saliency_viewer.models.checking.behaviour import check_behaviour
from saliency_viewer.models.checking.card_faults import card_faults
from saliency_viewer.models.checking.findings import Finding, Findings
from saliency_viewer.models.checking.on_image import prepared_image
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.ensemble import chosen_folds
from saliency_viewer.models.files import BUNDLE_NAME, CARD_NAME, SUMS_NAME, MemoryFiles, PackageFiles, missing
from saliency_viewer.models.fold_faults import in_fold
from saliency_viewer.models.own_code import Trust, own_code
from saliency_viewer.models.package import compare_sums, describe, load_package
from saliency_viewer.runtime.context import RunContext


@dataclass(frozen=True, eq=False)
class Report:
    """What a check found.

    Attributes
    ----------
    facts:
        Sentences about what the package is; empty when it could not be loaded.
    findings:
        What is wrong, and what is worth knowing.
    classifier:
        The loaded model; None when it could not be loaded, or its classes do not fit.
    """

    facts: tuple[str, ...]
    findings: tuple[Finding, ...]
    classifier: Classifier | None = field(default=None, repr=False)

    @property
    def good(self) -> bool:
        """Whether the package can be used."""
        return not any(finding.level == "fault" for finding in self.findings)


def check_files(
    files: PackageFiles,
    trust_code: Trust = False,
    volume: Volume | None = None,
    device: str = "cpu",
    context: RunContext | None = None,
) -> Report:
    """Check the package in ``files``, on the image in ``volume`` if there is one. Raises only :class:`Cancelled`."""
    findings = Findings()
    context = context or RunContext()
    context.report(0.0, "Reading the card")
    card = _card(files, findings)
    classifier = None
    if card is not None and _parts_are_there(files, card, findings):
        context.report(0.1, "Loading the network")
        classifier = _loaded(files, card, trust_code, device, findings)
    if classifier is None:
        return Report((), findings.sorted)
    context.report(0.5, "Asking the network")
    runs = _check_answer(classifier, findings)
    prepared = prepared_image(classifier, volume, findings) if volume is not None and runs else None
    if runs:
        check_behaviour(classifier, findings, prepared, context.part(0.5, 1.0))
    facts = tuple(describe(classifier)) if runs else ()
    return Report(facts, findings.sorted, classifier if runs else None)


def _card(files: PackageFiles, findings: Findings) -> ModelCard | None:
    """The card, as far as it can be read around its faults; of a MONAI bundle the one that it stands for."""
    try:
        if not files.has(CARD_NAME) and files.has(BUNDLE_NAME):
            bundle = read_bundle(files)
            for doubt in bundle.doubts:
                findings.add("warning", doubt, "Where it matters, write a model.toml into the bundle.")
            return bundle.card
        text = files.read(CARD_NAME).decode("utf-8-sig")
    except UserError as error:
        findings.fault(error)
        return None
    except UnicodeDecodeError:
        findings.add("fault", "model.toml is not UTF-8 text.", "Save it as UTF-8.")
        return None
    card, faults = card_faults(text)
    for fault in faults:
        findings.fault(fault)
    return card


def _parts_are_there(files: PackageFiles, card: ModelCard, findings: Findings) -> bool:
    """Whether there is anything to load; every part that is missing or changed is noted."""
    before = len(findings.found)
    looks = [partial(look, files, card) for look in (_look_at_architecture, _look_at_task, read_case_lists)]
    _note_faults([*looks, *_of_folds(_look_for_weights, files, card)], findings)
    complete = len(findings.found) == before
    if complete:
        _note_faults(_of_folds(_look_at_sums, files, card), findings)  # they may load all the same
    return complete


def _note_faults(looks: Iterable[Callable[[], object]], findings: Findings) -> None:
    for look in looks:
        try:
            look()
        except UserError as error:
            findings.fault(error)


def _of_folds(
    look: Callable[[PackageFiles, str], None], files: PackageFiles, card: ModelCard
) -> Iterator[Callable[[], None]]:
    """The look at every fold's weights."""
    for fold in chosen_folds(card, ""):
        yield partial(in_fold(fold.name)(look), files, fold.weights)


def _look_at_architecture(files: PackageFiles, card: ModelCard) -> None:
    architecture_of(card.architecture)
    own_code(card.architecture, files)


def _look_at_task(_files: PackageFiles, card: ModelCard) -> None:
    if card.task != "classification":
        raise UserError(
            "This package holds a segmentation network, which cannot be explained yet.",
            "Choose a package with a classification network.",
        )


def _look_for_weights(files: PackageFiles, weights: str) -> None:
    if not files.has(weights):
        raise missing(weights)


def _look_at_sums(files: PackageFiles, weights: str) -> None:
    compare_sums(files, weights, hashlib.sha256(files.read(weights)).hexdigest())


def _loaded(
    files: PackageFiles, card: ModelCard, trust_code: Trust, device: str, findings: Findings
) -> Classifier | None:
    replaced = {SUMS_NAME: None, **({CARD_NAME: card_to_toml(card).encode()} if findings.faulty else {})}
    load = partial(load_package, MemoryFiles(replaced, files), trust_code, device, runs=False)
    try:
        return load()
    except UserError as error:
        for fault in _faults_of_folds(card, load) or [error]:
            findings.fault(fault)
        return None


def _faults_of_folds(card: ModelCard, load: Callable[..., Classifier]) -> list[UserError]:
    """What is wrong with every fold of an ensemble; once, what is wrong with all of them."""
    found = {}
    for fold in card.folds:
        try:
            load(fold=fold.name)
        except UserError as error:
            found[str(error)] = error
    return list(found.values())


def _check_answer(classifier: Classifier, findings: Findings) -> bool:
    """Whether the network takes its input and its outputs are as many as the classes; the layer is looked for too."""
    try:
        layer = classifier.card.explain.layer  # without named classes the card asks the network
        _ = classifier.outputs
        runs = True
    except UserError as error:
        findings.fault(error)
        layer, runs = None, False
    names = [name for name, _ in classifier.members[0].network.named_modules() if name]
    if layer is not None and layer not in names:
        findings.add("fault", f"model.toml: the network has no layer '{layer}'.", near_match(layer, names))
    return runs
