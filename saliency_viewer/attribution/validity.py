"""Whether a map is what its name says: residuals, counts of activations, and the badge that follows from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from saliency_viewer.domain import Validity
from saliency_viewer.domain.maps import Badge

TOLERANCE = 0.05  # residual above which an additive map is only approximate
FLOOR = 0.01  # of the logits' range: below it a score difference is too small to divide by


@dataclass(frozen=True, eq=False)
class Residual:
    """``relative`` (N,): what the sum lacks; ``below`` (N,) bool: the expected sum is too small to divide by."""

    relative: Tensor
    below: Tensor
    of_score: bool  # the map shares out the score itself, not its difference from a baseline's


def residual(values: Tensor, expected: Tensor, score: Tensor, logits: Tensor | None) -> Residual:
    """(sum - expected) / max(|expected|, floor) of maps (N, ...), with ``expected`` and the score f(x) (N,).

    The floor is 1 % of the range of ``logits`` (N, outputs), or of max(|f(x)|, |f(x0)|) for one output and where
    the score is no logit (None).
    """
    if logits is not None and logits.shape[1] > 1:
        scale = logits.amax(1) - logits.amin(1)
    else:
        scale = torch.maximum(score.abs(), (score - expected).abs())
    floor = (FLOOR * scale).clamp(min=torch.finfo(torch.float32).tiny)
    total = values.flatten(1).double().sum(1)
    relative = (total - expected.double()) / torch.maximum(expected.abs(), floor).double()
    return Residual(relative.float(), expected.abs() < floor, torch.equal(expected, score))


@dataclass(frozen=True, eq=False)
class Findings:
    """What the engine found out about one method's maps, each None or empty where it does not apply.

    ``counts``: activations (intercepted, executed). ``standard_error`` (N,): mean over the map's positions.
    ``approximation``: what of the published form was not computed. ``generalised``: how a rule was extended to
    operators that its paper does not treat, which is no doubt but must be said.
    """

    residual: Residual | None = None
    counts: tuple[int, int] | None = None
    standard_error: Tensor | None = None
    approximation: str = ""
    one_sided: bool = False
    generalised: str = ""


def judge(values: Tensor, found: Findings) -> Validity:
    """The badge of one method's signed maps (N, ...); the worst sample decides."""
    intercepted, executed = found.counts if found.counts is not None else (None, None)
    if not all_finite(values):
        return Validity("failed", "the map has values that are not finite", intercepted, executed)
    if intercepted != executed:
        text = f"the rule reached {intercepted} of {executed} activations"
        return Validity("failed", text, intercepted, executed)
    remarks = [_emptiness(values, found.one_sided)]
    doubts = [found.approximation, _lacking(found.residual, remarks), _uncertain(values, found.standard_error, remarks)]
    badge: Badge = "approximate" if any(doubts) else "verified"
    said = [text for text in (*doubts, *remarks) if text]
    if not said and found.counts is not None:
        said = [f"{intercepted} of {executed} activations"]
    said += [found.generalised] if found.generalised else []
    return Validity(badge, "; ".join(said), intercepted, executed)


def all_finite(values: Tensor) -> bool:
    """Whether there is neither an infinity nor a NaN. Their sum tells it far sooner, unless it overflows."""
    return math.isfinite(float(values.sum())) or bool(torch.isfinite(values).all())


def _lacking(checked: Residual | None, remarks: list[str]) -> str:
    """The doubt that a residual raises; a small one is only remarked."""
    if checked is None:
        return ""
    if bool(checked.below.any()):
        return "the score is close to zero" if checked.of_score else "the score does not differ from the baseline's"
    worst = float(checked.relative.abs().max())
    text = f"residual {worst:.1%}"
    if worst > TOLERANCE:
        return text
    remarks.append(text)
    return ""


def _uncertain(values: Tensor, error: Tensor | None, remarks: list[str]) -> str:
    """The doubt that a stochastic map's own error raises, as a part of the map's mean size."""
    if error is None:
        return ""
    size = values.flatten(1).abs().mean(1).clamp(min=torch.finfo(torch.float32).tiny)
    worst = float((error / size).max())
    text = f"Monte-Carlo error {worst:.1%}"
    if worst > TOLERANCE:
        return text
    remarks.append(text)
    return ""


def _emptiness(values: Tensor, one_sided: bool) -> str:
    """What to say of maps in which nothing is to be seen; empty when every sample has evidence."""
    flat = values.flatten(1)
    if not bool(flat.any(1).all()):
        return "no evidence: the map is zero everywhere"
    if one_sided and not bool((flat > 0).any(1).all()):
        return "no positive evidence: the map is negative wherever it is not zero"
    return ""
