"""Whether a map is what its name says: residuals, counts of activations, and the badge that follows from them."""

from __future__ import annotations

import torch
from torch import Tensor

from saliency_viewer.domain import Validity
from saliency_viewer.domain.maps import Badge

TOLERANCE = 0.05  # residual above which an additive map is only approximate
FLOOR = 0.01  # of the logits' range: below it a score difference is too small to divide by


def residual(values: Tensor, expected: Tensor, logits: Tensor, from_score: bool) -> tuple[Tensor, Tensor]:
    """Relative residual (N,) and whether the expected sum lies below the floor (N,) bool.

    (sum - expected) / max(|expected|, floor); the floor is 1 % of the logits' range, or of the larger score
    for a network with one logit.
    """
    scale = logits.amax(1) - logits.amin(1) if logits.shape[1] > 1 else logits.abs().amax(1)
    if logits.shape[1] == 1 and not from_score:
        scale = torch.maximum(scale, (logits[:, 0] - expected).abs())
    floor = (FLOOR * scale).clamp(min=torch.finfo(torch.float32).tiny)
    total = values.flatten(1).double().sum(1)
    relative = (total - expected.double()) / torch.maximum(expected.abs(), floor).double()
    return relative.float(), expected.abs() < floor


def judge(
    values: Tensor,
    relative: Tensor | None,
    below: Tensor | None,
    counts: tuple[int, int] | None,
    one_sided: bool = False,
) -> Validity:
    """The badge of one method's signed maps (N, ...); the worst sample decides."""
    intercepted, executed = counts if counts is not None else (None, None)
    if not bool(torch.isfinite(values).all()):
        return Validity("failed", "the map has values that are not finite", intercepted, executed)
    if intercepted != executed:
        text = f"the rule reached {intercepted} of {executed} activations"
        return Validity("failed", text, intercepted, executed)
    empty = _emptiness(values, one_sided)
    if relative is None:
        counted = "" if counts is None else f"{intercepted} of {executed} activations"
        return Validity("verified", empty or counted, intercepted, executed)
    if below is not None and bool(below.any()):
        return Validity("approximate", "the score does not differ from the baseline's", intercepted, executed)
    worst = float(relative.abs().max())
    badge: Badge = "verified" if worst <= TOLERANCE else "approximate"
    text = f"{empty}; residual {worst:.1%}" if empty else f"residual {worst:.1%}"
    return Validity(badge, text, intercepted, executed)


def _emptiness(values: Tensor, one_sided: bool) -> str:
    """What to say of maps in which nothing is to be seen; empty when every sample has evidence."""
    flat = values.flatten(1)
    if not bool(flat.any(1).all()):
        return "no evidence: the map is zero everywhere"
    if one_sided and not bool((flat > 0).any(1).all()):
        return "no positive evidence: the map is negative wherever it is not zero"
    return ""
