"""The kinds of evidence a method may ask the engine for, as frozen orders that can be compared and merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal


class _Needed:
    @property
    def from_baseline(self) -> bool:
        """Whether the run's own baseline plays a part."""
        return False


class _FromBaseline(_Needed):
    @property
    def from_baseline(self) -> bool:
        """It does."""
        return True


class _OnePass(_Needed):
    """``passes``: how often the network runs for one input."""

    passes: ClassVar[int] = 1


class _ManyPasses(_Needed):
    """How often the network runs is known only with the image or the layer; the gatherer corrects this guess."""

    passes: ClassVar[int] = 100


@dataclass(frozen=True)
class PointGradient(_OnePass):
    """df/dx at the input itself. Evidence: (N, C, *spatial)."""


@dataclass(frozen=True)
class LayerEvidence(_OnePass):
    """Activations A and gradients G = df/dA at the target layer. Evidence: :class:`~.evidence.Layer`."""


@dataclass(frozen=True)
class NoisyGradients(_Needed):
    """df/dx over ``samples`` noisy copies of x, in antithetic pairs (x + e, x - e).

    ``sigma`` is relative to the range of each input. Evidence: :class:`~.moments.Moments` of the gradient.
    """

    samples: int
    sigma: float
    stream: str = "noise"  # names the random stream; equal names give equal noise

    @property
    def passes(self) -> int:
        """How often the network runs for one input."""
        return self.samples


@dataclass(frozen=True)
class NoisyPaths(_FromBaseline):
    """Integrated gradients of ``samples`` noisy copies of x from the unchanged baseline, ``nodes`` points each.

    Evidence: :class:`~.moments.Moments` of the attributions; its ``mean_score`` is the mean of f over the copies.
    """

    samples: int
    sigma: float
    nodes: int
    stream: str = "noise"

    @property
    def passes(self) -> int:
        """How often the network runs for one input."""
        return self.samples * (self.nodes + 1)


@dataclass(frozen=True)
class PathGradients(_Needed):
    """Integral of df/dx along the straight line from a baseline to x by Gauss-Legendre quadrature.

    ``start``: the run's own ``baseline``, or each channel's ``minimum`` or ``maximum``. Evidence: (N, C, *spatial).
    """

    nodes: int
    start: Literal["baseline", "minimum", "maximum"] = "baseline"

    @property
    def passes(self) -> int:
        """How often the network runs for one input."""
        return self.nodes

    @property
    def from_baseline(self) -> bool:
        """Where the path starts there."""
        return self.start == "baseline"


@dataclass(frozen=True)
class BlurPath(_Needed):
    """Integral of df/dx . dx/dsigma along Gaussian blurs of x, from ``sigma`` positions to none.

    ``border``: what lies outside the image, ``zero`` or its ``nearest`` value. Evidence: :class:`~.paths.PathIntegral`.
    """

    nodes: int
    sigma: float
    border: Literal["zero", "nearest"]

    @property
    def passes(self) -> int:
        """How often the network runs for one input."""
        return self.nodes + 1


@dataclass(frozen=True)
class GuidedPath(_FromBaseline):
    """Integral of df/dx along a path that moves the ``fraction`` of positions with the smallest gradients first.

    No position strays from the straight line by more than ``distance`` of its length. Evidence: (N, C, *spatial).
    """

    steps: int
    fraction: float
    distance: float

    @property
    def passes(self) -> int:
        """How often the network runs for one input."""
        return self.steps


@dataclass(frozen=True)
class RandomPathGradients(_FromBaseline):
    """df/dx at x0 + u (x + e - x0) with u uniform in 0..1 and e noise of ``sigma``, in antithetic pairs.

    Evidence: :class:`~.moments.Moments` of the gradient.
    """

    samples: int
    sigma: float
    stream: str = "shap"

    @property
    def passes(self) -> int:
        """How often the network runs for one input."""
        return self.samples


@dataclass(frozen=True)
class RandomMasks(_Needed):
    """f over ``samples`` inputs under random masks of ``cells`` cells per axis, each kept with ``probability``.

    Evidence: :class:`~.masks.Masked`.
    """

    samples: int
    cells: int
    probability: float
    fill: Literal["zero", "baseline"]
    stream: str = "masks"

    @property
    def passes(self) -> int:
        """How often the network runs for one input."""
        return self.samples

    @property
    def from_baseline(self) -> bool:
        """Where it shows through the masks."""
        return self.fill == "baseline"


@dataclass(frozen=True)
class ChannelScores(_Needed):
    """f of x times each upsampled channel of the layer, scaled to 0..1; of ``clusters`` mean channels when not 0.

    Evidence: :class:`~.channels.ChannelEvidence`.
    """

    clusters: int = 0

    @property
    def passes(self) -> int:
        """How often the network runs for one input; a guess where the layer's channels say."""
        return self.clusters or _ManyPasses.passes


@dataclass(frozen=True)
class ChannelAblation(_OnePass):
    """f with each channel of the layer set to zero. Evidence: :class:`~.channels.Ablated`."""


@dataclass(frozen=True)
class Multipliers(_FromBaseline, _OnePass):
    """DeepLIFT's multipliers (rescale rule) between x and the baseline. Evidence: :class:`~.deep_lift.Lifted`.

    ``at_layer``: at the target layer instead of the input.
    """

    at_layer: bool = False


@dataclass(frozen=True)
class BaselineScore(_FromBaseline, _OnePass):
    """f(x0). Evidence: (N,)."""


@dataclass(frozen=True)
class RulePass(_OnePass):
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
class HeadWeights(_OnePass):
    """The class's weights in the linear layer behind a global average of the target layer. Evidence: (N, K).

    The engine refuses when the network has another head, since the map would mean nothing.
    """


@dataclass(frozen=True)
class LibraryFullGrad(_OnePass):
    """FullGrad by the pytorch-grad-cam library. Evidence: :class:`~.library.FullGradMaps`."""


@dataclass(frozen=True)
class OccludedScores(_FromBaseline, _ManyPasses):
    """How much the score falls for each patch of the input that is replaced by the baseline's values.

    Patches of ``size`` positions along each spatial axis, one every ``stride`` (at most ``size``). Evidence:
    :class:`~.evidence.Occluded`. How many patches there are is known with the image.
    """

    size: int
    stride: int


Need = (
    PointGradient
    | LayerEvidence
    | HeadWeights
    | NoisyGradients
    | NoisyPaths
    | PathGradients
    | BlurPath
    | GuidedPath
    | RandomPathGradients
    | RandomMasks
    | ChannelScores
    | ChannelAblation
    | Multipliers
    | BaselineScore
    | RulePass
    | OccludedScores
    | LibraryFullGrad
)
