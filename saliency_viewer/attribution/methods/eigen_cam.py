"""Eigen-CAM (Muhammad and Yeasin 2020, arXiv 2008.00299): the first principal component of the activations.

Channels are centred over positions, as pytorch-grad-cam does. A component has no sign of its own: here it is the one
that goes with the mean activation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.methods.cam import over_space
from saliency_viewer.attribution.needs import LayerEvidence, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class EigenCAM(Method):
    """Does not depend on the class at all."""

    id = "eigen-cam"
    label = "Eigen-CAM"
    reference = "Muhammad and Yeasin 2020, arXiv:2008.00299"
    summary = "The strongest pattern of the last feature maps, whatever the class."
    capabilities = Capabilities(needs_layer=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The projection on the first right singular vector."""
        import torch

        activations = evidence.get(LayerEvidence()).activations
        finite = activations.isfinite().flatten(1).all(1).reshape(-1, *[1] * (activations.ndim - 1))
        positions = over_space(activations.where(finite, 0)).transpose(1, 2).double()
        centred = positions - positions.mean(1, keepdim=True)
        left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
        component = left[..., 0] * sizes[:, :1]
        agrees = (component * centred.mean(2)).sum(1, keepdim=True)
        oriented = torch.where(agrees < 0, -component, component).to(activations.dtype)
        return Reduced(oriented.reshape(len(activations), 1, *activations.shape[2:]).where(finite, torch.nan))
