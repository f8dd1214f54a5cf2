"""The kinds of evidence a method may ask the engine for, as frozen orders that can be compared and merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PointGradient:
    """df/dx at the input itself. Evidence: (N, C, *spatial)."""


@dataclass(frozen=True)
class LayerEvidence:
    """Activations A and gradients G = df/dA at the target layer. Evidence: :class:`~.evidence.Layer`."""


@dataclass(frozen=True)
class NoisyGradients:
    """Mean of df/dx over ``samples`` noisy copies of x, in antithetic pairs (x + e, x - e).

    ``sigma`` is relative to the range of each input. Evidence: :class:`~.evidence.Stream`.
    """

    samples: int
    sigma: float
    stream: str = "noise"  # names the random stream; equal names give equal noise


@dataclass(frozen=True)
class PathGradients:
    """Integral of df/dx along the straight line from the baseline to x by Gauss-Legendre quadrature.

    Evidence: :class:`~.evidence.Stream` whose ``mean`` is the integral over 0..1.
    """

    nodes: int


@dataclass(frozen=True)
class BaselineScore:
    """f(x0). Evidence: (N,)."""


@dataclass(frozen=True)
class RulePass:
    """A backward pass in which a rule set replaces the operators' own backward. Evidence: (N, C, *spatial).

    ``start`` is what the pass begins with: ``one`` at the score, as for a gradient, or at the network's raw output the
    ``score`` itself or the ``sign`` of the target. ``options`` are the rule set's own, by name. ``bounded``: the rules
    use the smallest and largest possible value of the input.
    """

    rules: str
    start: Literal["one", "score", "sign"] = "one"
    options: tuple[tuple[str, float], ...] = ()
    bounded: bool = False


@dataclass(frozen=True)
class HeadWeights:
    """The class's weights in the linear layer behind a global average of the target layer. Evidence: (N, K).

    The engine refuses when the network has another head, since the map would mean nothing.
    """


Need = PointGradient | LayerEvidence | NoisyGradients | PathGradients | BaselineScore | RulePass | HeadWeights
