"""Whether two runs of a program gave the same answer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saliency_viewer.models.programs.steps import leaves

_SAME = 1e-4  # of the largest output


def agree(found: Any, expected: Any) -> bool:
    """Whether every tensor of two outputs is the same to 1e-4 of the largest value; NaN equals NaN."""
    first, second = ([leaf for leaf in leaves(output) if isinstance(leaf, Tensor)] for output in (found, expected))
    return len(first) == len(second) and all(close(a, b) for a, b in zip(first, second, strict=True))


def close(found: Tensor, expected: Tensor) -> bool:
    """The same for two tensors, which must have the same shape too."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if not found.is_floating_point() and not found.is_complex():
        return torch.equal(found, expected)
    sizes = torch.nan_to_num(expected.abs(), 0.0, 0.0, 0.0)
    scale = float(sizes.max()) if expected.numel() else 0.0
    return torch.allclose(found, expected, rtol=0.0, atol=_SAME * scale, equal_nan=True)
