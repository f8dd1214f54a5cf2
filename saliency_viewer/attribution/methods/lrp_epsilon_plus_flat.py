"""LRP epsilon-z+ with the flat rule at the image (Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4)."""

from __future__ import annotations

from saliency_viewer.attribution.methods.lrp import LRP


class LRPEpsilonPlusFlat(LRP):
    """The first layer's relevance is spread evenly over what each of its units saw."""

    id = "lrp-epsilon-plus-flat"
    label = "LRP ε-z⁺, flat"
    reference = "Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4; Sümer et al. 2023, PMLR 219"
    summary = "LRP ε-z⁺ that spreads evenly at the image, so that dark pixels can be relevant."
    composite = "epsilon-plus-flat"
