"""What the class activation maps share. Shapes: A and G are (N, K, *layer spatial), weights (N, K)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def over_space(values: Tensor) -> Tensor:
    """(N, K, positions): the layer's grid as one axis."""
    return values.flatten(2)


def weighted_sum(weights: Tensor, activations: Tensor) -> Tensor:
    """sum_k w_k A_k with its channel axis kept: (N, 1, *layer spatial)."""
    summed = (weights[:, :, None] * over_space(activations)).sum(1)
    return summed.reshape(activations.shape[0], 1, *activations.shape[2:])
