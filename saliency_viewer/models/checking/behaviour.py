"""What a network's answers to a few inputs say about its card: dead networks, and heads of another kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saliency_viewer.errors import UserError
from saliency_viewer.models.checking.findings import Finding, Findings
from saliency_viewer.models.checking.stress import stressed_answers
from saliency_viewer.models.classifier import Classifier
from saliency_viewer.models.fold_faults import about_fold
from saliency_viewer.models.forward import input_shape, run_network
from saliency_viewer.models.prepared import Prepared
from saliency_viewer.runtime.context import RunContext

if TYPE_CHECKING:
    from torch import Tensor

_STRENGTHS = (1.0, 5.0)  # of the noise: logits leave 0..1 when their input grows, probabilities do not
_SAME = 1e-6  # of the answers' size: less is rounding
_SUM = 1e-4
_HARDLY = 1e-3  # probability


def check_behaviour(
    classifier: Classifier, findings: Findings, prepared: Prepared | None = None, context: RunContext | None = None
) -> None:
    """Ask the network about zeros, noise and, when there is one, an image, and compare the answers.

    Of an ensemble every fold is asked alone, since a dead one is hidden in the mean.

    Parameters
    ----------
    classifier:
        One whose network runs.
    findings:
        Where to note what is wrong.
    prepared:
        An image as the network is given it.
    """
    told = [_said_of(member, prepared, context or RunContext()) for member in classifier.members]
    for member, found in zip(classifier.members, told, strict=True):
        for finding in found:
            of_all = all(finding in other for other in told)
            message = finding.message if of_all else about_fold(member.fold, finding.message)
            findings.add(finding.level, message, finding.hint)


def _said_of(classifier: Classifier, prepared: Prepared | None, context: RunContext) -> list[Finding]:
    """What is to be said of a single network; one that stops at an input is at fault."""
    try:
        return _about(classifier, prepared, context)
    except UserError as error:
        return [Finding("fault", error.message, error.hint)]


def _about(classifier: Classifier, prepared: Prepared | None, context: RunContext) -> list[Finding]:
    findings = Findings()
    inputs = [*_probes(classifier), *([prepared.inputs[:1]] if prepared is not None else [])]
    raw = np.concatenate([run_network(classifier.network, one, context) for one in inputs])
    if not np.isfinite(raw).all():
        findings.add(
            "fault",
            "The network's answer is not a number (NaN or infinite).",
            "Check the weights, and the arguments of the architecture.",
        )
        return findings.found
    _check_alive(raw, findings, prepared is not None)
    _check_ending(classifier, raw, findings, context)
    return findings.found


def _probes(classifier: Classifier) -> Sequence[Tensor]:
    import torch

    shape = input_shape(classifier.card.input)
    generator = torch.Generator().manual_seed(0)
    noise = [strength * torch.randn(shape, generator=generator) for strength in _STRENGTHS]
    return [one.to(classifier.device) for one in (torch.zeros(shape), *noise)]


def _check_alive(raw: NDArray[np.float64], findings: Findings, with_image: bool) -> None:
    """(answers, outputs): those to different inputs must differ."""
    spread = float(np.ptp(raw, axis=0).max())
    if spread <= _SAME * max(1.0, float(np.abs(raw).max())):
        asked = "noise, zeros and the image" if with_image else "noise and zeros"
        findings.add(
            "fault",
            f"The network gives the same answer to {asked}, so it does not look at its input: there is nothing to "
            "explain.",
            "Check that the weights are those of a finished training, and that no layer got weights of zero.",
        )


def _check_ending(classifier: Classifier, raw: NDArray[np.float64], findings: Findings, context: RunContext) -> None:
    """(answers, outputs): what they look like against what the card says they are."""
    inside = _are_shares(raw)
    if classifier.card.output.activation == "none":
        if not inside:
            findings.add(
                "fault",
                f'The card says that the network ends in probabilities (activation = "none"), but it answers with '
                f"values from {raw.min():.3g} to {raw.max():.3g}.",
                'Write activation = "softmax" for classes that exclude each other, "sigmoid" for independent ones.',
            )
        return
    if not inside or getattr(classifier.network, "ending_taken_off", False):
        return
    raw = np.concatenate([raw, stressed_answers(classifier, context)])
    if not _are_shares(raw):
        return
    if raw.shape[1] > 1 and bool(np.abs(raw.sum(axis=1) - 1.0).max() < _SUM):
        findings.add(
            "fault",
            "This network seems to end in a softmax: its answers are between 0 and 1 and add up to 1, and the card's "
            "activation would be put on top of it.",
            'Write activation = "none".',
        )
    else:
        findings.add(
            "warning",
            "This network seems to end in a sigmoid: all its answers, to extreme inputs too, are between 0 and 1.",
            'If it does, write activation = "none".',
        )


def _are_shares(raw: NDArray[np.float64]) -> bool:
    return bool((raw >= 0.0).all() and (raw <= 1.0).all())
