"""Exact incremental evaluation: of a patched input, only what the patch can reach is computed again.

A change of a few input positions reaches a window of each layer, which grows with every kernel. The network's own
code runs on tokens that stand for such windows; each operator that is known computes its output window from the input
window and the unmodified sample's values around it. From the first operator that looks further, or once a window
covers most of its layer, whole layers flow as usual. Nothing is approximated.
"""

from saliency_viewer.attribution.incremental.network import FEWEST, PatchedNetwork

__all__ = ["FEWEST", "PatchedNetwork"]
