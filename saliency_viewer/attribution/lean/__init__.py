"""Faster passes through a frozen network: the same numbers with less work and less memory.

Autograd assumes that weights may want gradients. Here they never do, so a convolution need not keep its input, its
backward pass can be another forward convolution with weights prepared once, and batch normalisation can be folded
into the convolution before it. All of it happens at operator level; the network itself is never touched.
"""

from __future__ import annotations

from saliency_viewer.attribution.lean.folding import Folds, Observer
from saliency_viewer.attribution.lean.operators import LeanOperators

__all__ = ["Folds", "LeanOperators", "Observer"]
