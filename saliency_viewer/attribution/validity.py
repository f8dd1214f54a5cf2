"""Whether a map is what its name says: residuals, counts of activations, and the badge that follows from them."""

from __future__ import annotations

import torch
from torch import Tensor

from saliency_viewer.domain import Validity

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


def judge(values: Tensor, relative: Tensor | None, below: Tensor | None, counts: tuple[int, int] | None) -> Validity:
    """The badge of one method's maps; the worst sample decides."""
    intercepted, executed = counts if counts is not None else (None, None)
    if not bool(torch.isfinite(values).all()):
        return Validity("failed", "the map has values that are not finite", intercepted, executed)
    if intercepted != executed:
        text = f"the rule reached {intercepted} of {executed} activations"
        return Validity("failed", text, intercepted, executed)
    if not bool(values.any()):
        return Validity("verified", "no evidence: the map is zero everywhere", intercepted, executed)
    if relative is None:
        text = "" if counts is None else f"{intercepted} of {executed} activations"
        return Validity("verified", text, intercepted, executed)
    worst = float(relative.abs().max())
    if below is not None and bool(below.any()):
        return Validity("approximate", "the score does not differ from the baseline's", intercepted, executed)
    return Validity("approximate" if worst > TOLERANCE else "verified", f"residual {worst:.1%}", intercepted, executed)
