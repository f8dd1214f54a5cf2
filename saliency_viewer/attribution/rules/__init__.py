"""Backward rules that replace the backward of operators, by name."""

from __future__ import annotations

from collections.abc import Callable

from saliency_viewer.attribution.rules import composites
from saliency_viewer.attribution.rules.base import RuleSet
from saliency_viewer.attribution.rules.guided import Deconvolution, Guided

# Called with the options of the order (a RulePass).
RULE_SETS: dict[str, Callable[..., RuleSet]] = {
    "guided": Guided,
    "deconvolution": Deconvolution,
    "excitation": composites.excitation,
    "epsilon-plus": composites.epsilon_plus,
    "epsilon-plus-flat": composites.epsilon_plus_flat,
    "epsilon-alpha2-beta1": composites.epsilon_alpha2_beta1,
    "epsilon-alpha2-beta1-flat": composites.epsilon_alpha2_beta1_flat,
    "epsilon-gamma-box": composites.epsilon_gamma_box,
}

__all__ = ["RULE_SETS", "RuleSet"]
