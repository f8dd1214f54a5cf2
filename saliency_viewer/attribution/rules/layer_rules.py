"""How a layer shares out the relevance of its outputs among its inputs: epsilon, z+, alpha-beta, gamma, flat, box."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from saliency_viewer.attribution.rules.affine import Affine
from saliency_viewer.attribution.rules.contributions import Contributions
from saliency_viewer.attribution.rules.tape import EPSILON, shared, stabilised


class LayerRule(ABC):
    """A rule for convolutions and linear layers, in any dimension."""

    def apply(self, layer: Affine, inputs: Tensor, value: Tensor) -> Tensor:
        """``value`` (what the operators really gave) with the rule as its backward."""
        return shared(value, lambda relevance, kept: (self.share(layer, relevance, kept),), inputs)

    @abstractmethod
    def share(self, layer: Affine, relevance: Tensor, inputs: Tensor) -> Tensor:
        """The inputs' relevance, shaped like them."""


@dataclass(frozen=True)
class Epsilon(LayerRule):
    """In proportion to x w. Bach et al. 2015, equation 58."""

    epsilon: float = EPSILON

    def apply(self, layer: Affine, inputs: Tensor, value: Tensor) -> Tensor:
        """Keep a copy of small outputs: reading large weights again takes longer, and the value may be overwritten."""
        if value.numel() > layer.weight.numel():
            return super().apply(layer, inputs, value)
        total = value.clone()

        def share(relevance: Tensor, kept: Tensor) -> tuple[Tensor]:
            return (self._in_proportion(layer, relevance, kept, total),)

        return shared(value, share, inputs)

    def share(self, layer: Affine, relevance: Tensor, inputs: Tensor) -> Tensor:
        """The bias takes its part and passes it to nobody."""
        return self._in_proportion(layer, relevance, inputs, layer.run(inputs, layer.weights(), layer.bias))

    def _in_proportion(self, layer: Affine, relevance: Tensor, inputs: Tensor, total: Tensor) -> Tensor:
        return layer.back(relevance / stabilised(total, self.epsilon), inputs, layer.weights()).mul_(inputs)


@dataclass(frozen=True)
class ZPlus(LayerRule):
    """In proportion to the positive contributions x+ w+ (+ b+) and x- w-. Bach et al. 2015, alpha = 1, beta = 0."""

    def share(self, layer: Affine, relevance: Tensor, inputs: Tensor) -> Tensor:
        """Negative contributions count for nothing."""
        parts = Contributions(layer, inputs)
        total = parts.positive().add_(EPSILON)  # never negative, so this is ``stabilised``
        return parts.share(torch.div(relevance, total, out=total), None)


@dataclass(frozen=True)
class AlphaBeta(LayerRule):
    """Positive and negative contributions apart, weighted alpha and -beta. Bach et al. 2015, equation 60."""

    alpha: float = 2.0
    beta: float = 1.0

    def share(self, layer: Affine, relevance: Tensor, inputs: Tensor) -> Tensor:
        """Alpha - beta = 1 keeps the sum."""
        parts = Contributions(layer, inputs)
        raising = (relevance / stabilised(parts.positive())).mul_(self.alpha)
        lowering = (relevance / stabilised(parts.negative())).mul_(-self.beta)
        return parts.share(raising, lowering)


@dataclass(frozen=True)
class Gamma(LayerRule):
    """Contributions of the output's own sign count 1 + gamma times. Montavon et al. 2019, for inputs of any sign."""

    gamma: float = 0.25

    def share(self, layer: Affine, relevance: Tensor, inputs: Tensor) -> Tensor:
        """An output of exactly zero passes nothing on."""
        parts = Contributions(layer, inputs)
        positive, negative = parts.positive(), parts.negative()
        plain = positive + negative
        more = 1 + self.gamma
        active = torch.where(plain > 0, relevance, 0.0).div_(stabilised(more * positive + negative))
        inactive = torch.where(plain < 0, relevance, 0.0).div_(stabilised(positive + more * negative))
        return parts.share(more * active + inactive, active + more * inactive)


@dataclass(frozen=True)
class Flat(LayerRule):
    """In equal parts, whatever inputs and weights are. Lapuschkin et al. 2019."""

    def share(self, layer: Affine, relevance: Tensor, inputs: Tensor) -> Tensor:
        """As if all inputs and weights were one, without a bias; padding takes nothing."""
        ones = torch.ones_like(layer.weight)
        total = layer.run(torch.ones_like(inputs[:1]), ones, None)
        return layer.back(relevance / stabilised(total), inputs, ones)


@dataclass(frozen=True, eq=False)
class Box(LayerRule):
    """In proportion to x w - low w+ - high w-, which no value between the bounds makes negative.

    Montavon et al. 2017 (z^B). ``low`` and ``high`` have the inputs' shape.
    """

    low: Tensor
    high: Tensor

    def share(self, layer: Affine, relevance: Tensor, inputs: Tensor) -> Tensor:
        """Biases cancel."""
        weights, raising, lowering = layer.weights(), layer.raising(), layer.lowering()
        total = layer.run(inputs, weights, None)
        total -= layer.run(self.low, raising, None)
        total -= layer.run(self.high, lowering, None)
        ratio = relevance / stabilised(total)
        shares = layer.back(ratio, inputs, weights).mul_(inputs)
        shares -= layer.back(ratio, inputs, raising).mul_(self.low)
        shares -= layer.back(ratio, inputs, lowering).mul_(self.high)
        return shares
