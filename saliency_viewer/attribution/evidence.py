"""What the engine hands to a method's ``reduce``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from saliency_viewer.attribution.needs import Need


@dataclass(frozen=True, eq=False)
class Layer:
    """``activations`` and ``gradients`` are (N, K, *layer spatial)."""

    name: str
    activations: Tensor
    gradients: Tensor


@dataclass(frozen=True, eq=False)
class Occluded:
    """``boxes`` (K, axes, 2): each patch's first and behind-last indices. ``changes`` (N, K): f(x) - f(patched)."""

    boxes: Tensor
    changes: Tensor


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that was computed for one method.

    ``inputs`` and ``baseline`` are (N, C, *spatial), ``score`` is (N,), f(x), all in the network's floating type.
    ``get`` returns the evidence for a need that the method declared.
    """

    inputs: Tensor
    baseline: Tensor
    score: Tensor
    signs: Tensor  # (N,) sign of each sample's target, see ScoreTarget
    found: Mapping[Need, Any] = field(repr=False)

    def get(self, need: Need) -> Any:
        """The evidence for ``need``."""
        return self.found[need]
