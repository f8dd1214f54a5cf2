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
    operators that its paper does not treat, which is no doubt but must be said. ``answered``: the score is a number.
    """

    residual: Residual | None = None
    counts: tuple[int, int] | None = None
    standard_error: Tensor | None = None
    approximation: str = ""
    one_sided: bool = False
    generalised: str = ""
    answered: bool = True


def judge(values: Tensor, found: Findings) -> Validity:
    """The badge of one method's signed maps (N, ...); the worst sample decides."""
    intercepted, executed = found.counts if found.counts is not None else (None, None)
    if not all_finite(values):
        return Validity("failed", "the map has values that are not finite", intercepted, executed)
    if not found.answered:
        return Validity("failed", "the network's score for this image is not finite", intercepted, executed)
    if intercepted != executed:
        text = f"the rule reached {intercepted} of {executed} activations"
        return Validity("failed", text, intercepted, executed)
    left_out = _Remark(found.approximation, "", doubt=True) if found.approximation else None
    looked = (left_out, _lacking(found.residual), _uncertain(values, found.standard_error), _empty(values, found))
    remarks = sorted(filter(None, looked), key=lambda remark: not remark.doubt)  # doubts first
    badge: Badge = "approximate" if any(remark.doubt for remark in remarks) else "verified"
    said = [remark.text for remark in remarks]
    if not said and found.counts is not None:
        said = [f"{intercepted} of {executed} activations"]
    said += [found.generalised] if found.generalised else []
    short = remarks[0].short if remarks else ""
    return Validity(badge, "; ".join(said), intercepted, executed, short)


@dataclass(frozen=True)
class _Remark:
    """Something to say of a map, in full and for the badge; a ``doubt`` makes the map approximate."""

    text: str
    short: str
    doubt: bool


def all_finite(values: Tensor) -> bool:
    """Whether there is neither an infinity nor a NaN. Their sum tells it far sooner, unless it overflows."""
    return math.isfinite(float(values.sum())) or bool(torch.isfinite(values).all())


def _lacking(checked: Residual | None) -> _Remark | None:
    """What the residual says."""
    if checked is None:
        return None
    if bool(checked.below.any()):
        if checked.of_score:
            return _Remark("the score is close to zero", "score near 0", doubt=True)
        return _Remark("the score does not differ from the baseline's", "no difference", doubt=True)
    worst = float(checked.relative.abs().max())
    return _Remark(f"residual {worst:.1%}", f"residual {_percent(worst)}", doubt=worst > TOLERANCE)


def _uncertain(values: Tensor, error: Tensor | None) -> _Remark | None:
    """What a stochastic map's own error says, as a part of the map's mean size."""
    if error is None:
        return None
    size = values.flatten(1).abs().mean(1).clamp(min=torch.finfo(torch.float32).tiny)
    worst = float((error / size).max())
    return _Remark(f"Monte-Carlo error {worst:.1%}", f"± {_percent(worst)}", doubt=worst > TOLERANCE)


def _empty(values: Tensor, found: Findings) -> _Remark | None:
    """What to say of maps in which nothing is to be seen; None when every sample has evidence."""
    flat = values.flatten(1)
    if not bool(flat.any(1).all()):
        return _Remark("no evidence: the map is zero everywhere", "no evidence", doubt=False)
    if found.one_sided and not bool((flat > 0).any(1).all()):
        text = "no positive evidence: the map is negative wherever it is not zero"
        return _Remark(text, "no positive evidence", doubt=False)
    return None


def _percent(part: float) -> str:
    """Two digits, or all of a whole number."""
    if part >= 1:
        return f"{100 * part:.0f} %"
    return f"{100 * part:.2g} %" if part >= 1e-4 else "< 0.01 %"
