"""Backward rules that replace the backward of operators, by name."""

from __future__ import annotations

from saliency_viewer.attribution.rules.base import RuleSet
from saliency_viewer.attribution.rules.guided import Guided
from saliency_viewer.attribution.rules.relevance import EpsilonPlus

RULE_SETS: dict[str, type[RuleSet]] = {"guided": Guided, "epsilon-plus": EpsilonPlus}

__all__ = ["RULE_SETS", "RuleSet"]
