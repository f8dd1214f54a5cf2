"""From a layer's grid to the input's: linear, ``align_corners`` False, as the CAM papers' code does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def upsample(values: Tensor, size: Sequence[int]) -> Tensor:
    """(N, 1, *layer spatial) to (N, 1, *size)."""
    from torch.nn import functional

    if tuple(values.shape[2:]) == tuple(size):
        return values
    return functional.interpolate(values, size=tuple(size), mode=_MODES[len(size)], align_corners=False)
