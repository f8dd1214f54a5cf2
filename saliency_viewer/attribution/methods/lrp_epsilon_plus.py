"""LRP epsilon-z+ (Bach et al. 2015; Montavon et al. 2019, section 10.3; composite as in Suemer et al. 2023)."""

from __future__ import annotations

from saliency_viewer.attribution.methods.lrp import LRP


class LRPEpsilonPlus(LRP):
    """z+ on convolutions, epsilon on linear layers, the norm rule on sums and average pooling."""

    id = "lrp-epsilon-plus"
    label = "LRP ε-z⁺"
    reference = "Bach et al. 2015; Montavon et al. 2019; Sümer et al. 2023, PMLR 219"
    summary = "Hands the score back layer by layer, in proportion to what each unit contributed."
    composite = "epsilon-plus"
