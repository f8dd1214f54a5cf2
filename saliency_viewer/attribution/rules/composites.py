"""The composites by name, as methods ask for them (Montavon et al. 2019, section 10.3; Zhang et al. 2016)."""

from __future__ import annotations

from torch import Tensor

from saliency_viewer.attribution.rules.layer_rules import AlphaBeta, Box, Epsilon, Flat, Gamma, LayerRule, ZPlus
from saliency_viewer.attribution.rules.relevance import Composite, Relevance
from saliency_viewer.attribution.rules.tape import EPSILON


def epsilon_plus(epsilon: float = EPSILON) -> Relevance:
    """z+ on convolutions, epsilon on linear layers."""
    return Relevance(Composite(ZPlus(), Epsilon(epsilon)))


def epsilon_plus_flat(epsilon: float = EPSILON) -> Relevance:
    """The same with equal shares at the image."""
    return Relevance(Composite(ZPlus(), Epsilon(epsilon), _flat))


def epsilon_alpha2_beta1(epsilon: float = EPSILON) -> Relevance:
    """Twice the positive minus the negative contributions on convolutions, epsilon on linear layers."""
    return Relevance(Composite(AlphaBeta(), Epsilon(epsilon)))


def epsilon_alpha2_beta1_flat(epsilon: float = EPSILON) -> Relevance:
    """The same with equal shares at the image."""
    return Relevance(Composite(AlphaBeta(), Epsilon(epsilon), _flat))


def epsilon_gamma_box(epsilon: float = EPSILON, gamma: float = 0.25) -> Relevance:
    """Gamma on convolutions, epsilon on linear layers, the box of possible values at the image."""
    return Relevance(Composite(Gamma(gamma), Epsilon(epsilon), Box))


def excitation() -> Relevance:
    """z+ on all layers, and the ordinary gradient of activations."""
    return Relevance(Composite(ZPlus(), ZPlus(), activation="gradient"))


def _flat(_low: Tensor, _high: Tensor) -> LayerRule:
    return Flat()
