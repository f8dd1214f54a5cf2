"""LRP epsilon-alpha2-beta1 (Bach et al. 2015, equation 60; composite as in Suemer et al. 2023)."""

from __future__ import annotations

from saliency_viewer.attribution.methods.lrp import LRP


class LRPEpsilonAlpha2Beta1(LRP):
    """On convolutions twice the positive contributions' shares minus the negative ones'."""

    id = "lrp-epsilon-alpha2-beta1"
    label = "LRP ε-α2β1"
    reference = "Bach et al. 2015, doi:10.1371/journal.pone.0130140; Sümer et al. 2023, PMLR 219"
    summary = "LRP that weighs what speaks for a unit against what speaks against it."
    composite = "epsilon-alpha2-beta1"
