"""The smallest and largest value that a network's input could have had."""

from __future__ import annotations

import torch
from torch import Tensor

from saliency_viewer.errors import UserError

DEFAULT_NOTE = "values possible at the input: between each channel's own smallest and largest in this image"
_GIVEN_NOTE = "values possible at the input: as given"


def default_range(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample's and channel's own extremes, (N, C, 1, ...), of ``inputs`` (N, C, *spatial)."""
    axes = tuple(range(2, inputs.ndim))
    return inputs.amin(axes, keepdim=True), inputs.amax(axes, keepdim=True)


def given_note(bounds: tuple[Tensor, Tensor], inputs: Tensor) -> str:
    """What to say of bounds that were given; the rule at the input counts on values between them."""
    low, high = bounds
    beyond = bool(((inputs < low) | (inputs > high)).any())
    return f"{_GIVEN_NOTE}, though this image has values beyond" if beyond else _GIVEN_NOTE


def given_range(wish: tuple[float | Tensor, float | Tensor], inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The caller's bounds as tensors like ``inputs``; raises :class:`UserError` where they fit neither it nor sense."""
    if len(wish) != 2:
        raise UserError(f"The value range has {len(wish)} parts.", "Give the smallest and the largest possible value.")
    try:
        low, high = (torch.as_tensor(bound).to(inputs).expand_as(inputs) for bound in wish)
    except RuntimeError:
        shapes = " and ".join(str(tuple(torch.as_tensor(bound).shape)) for bound in wish)
        raise UserError(
            f"The value range's shapes {shapes} do not fit the input's {tuple(inputs.shape)}.",
            "Give two numbers, or tensors of shape (1, channels, 1, ...).",
        ) from None
    if not bool((torch.isfinite(low) & torch.isfinite(high) & (low <= high)).all()):
        raise UserError(
            "The input's value range is not one: a smallest value is above its largest, or not finite.",
            "Give the smallest possible preprocessed value first.",
        )
    return low, high
