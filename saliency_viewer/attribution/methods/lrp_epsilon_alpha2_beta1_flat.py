"""LRP epsilon-alpha2-beta1 with the flat rule at the image (Lapuschkin et al. 2019)."""

from __future__ import annotations

from saliency_viewer.attribution.methods.lrp import LRP


class LRPEpsilonAlpha2Beta1Flat(LRP):
    """The first layer's relevance is spread evenly over what each of its units saw."""

    id = "lrp-epsilon-alpha2-beta1-flat"
    label = "LRP ε-α2β1, flat"
    reference = "Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4; Sümer et al. 2023, PMLR 219"
    summary = "LRP ε-α2β1 that spreads evenly at the image, so that dark pixels can be relevant."
    composite = "epsilon-alpha2-beta1-flat"
