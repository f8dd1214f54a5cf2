"""Further class activation maps of the pytorch-grad-cam library (Gildenblat et al.), for two-dimensional networks.

One adapter: the library's formulas get the activations and gradients that our engine gathered, so that they work at
functional layers too and never hook the network. What they compute is the library's, and so are their scales.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saliency_viewer.attribution.methods.base import Capabilities, Method, Reduced
from saliency_viewer.attribution.needs import LayerEvidence, LibraryFullGrad, Need

if TYPE_CHECKING:
    from saliency_viewer.attribution.evidence import Evidence


class LibraryCAM(Method):
    """A formula of the library that needs only activations and gradients."""

    capabilities = Capabilities(needs_layer=True)
    library_class: str

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """Activations and gradients at the layer."""
        return (LayerEvidence(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """What the library makes of them."""
        from saliency_viewer.attribution.library import library_cam

        layer = evidence.get(LayerEvidence())
        return Reduced(library_cam(self.library_class, layer.activations, layer.gradients))


class EigenGradCAM(LibraryCAM):
    """First principal component of activations times gradients. Its sign is arbitrary."""

    id = "eigen-grad-cam"
    label = "Eigen-Grad-CAM"
    reference = "pytorch-grad-cam: EigenGradCAM"
    summary = "The strongest pattern of activations times gradients; the sign is arbitrary."
    library_class = "EigenGradCAM"


class KPCACAM(LibraryCAM):
    """First component of a kernel principal component analysis of the activations."""

    id = "kpca-cam"
    label = "KPCA-CAM"
    reference = "Karmani et al. 2024, arXiv:2410.00267; pytorch-grad-cam: KPCA_CAM"
    summary = "The strongest pattern of the feature maps by kernel PCA, whatever the class; the sign is arbitrary."
    library_class = "KPCA_CAM"


class FEM(LibraryCAM):
    """Channels weighted by how often they are far above their mean."""

    id = "fem"
    label = "FEM"
    reference = "Fuad et al. 2020, doi:10.1109/IPTA50016.2020.9286629; pytorch-grad-cam: FEM"
    summary = "Feature maps weighted by how rarely and strongly they fire, whatever the class."
    library_class = "FEM"


class GradCAMElementWise(LibraryCAM):
    """Positive part of activations times gradients, summed over channels."""

    id = "grad-cam-elementwise"
    label = "Grad-CAM, element-wise"
    reference = "Pillai and Pirsiavash 2021; pytorch-grad-cam: GradCAMElementWise"
    summary = "HiResCAM's products, the positive ones only."
    library_class = "GradCAMElementWise"
    capabilities = Capabilities(signed=False, needs_layer=True, one_sided=True)


class FullGrad(Method):
    """Input times gradient and the gradients of all biases, as the library's own pass over a copy gives them."""

    id = "full-grad"
    label = "FullGrad"
    reference = "Srinivas and Fleuret 2019, arXiv:1905.00780; pytorch-grad-cam: FullGrad"
    summary = "Input times gradient together with what every layer's biases add; never negative."
    capabilities = Capabilities(signed=False, one_sided=True)

    def needs(self, parameters: Any) -> tuple[Need, ...]:
        """The library's own passes."""
        return (LibraryFullGrad(),)

    def reduce(self, evidence: Evidence, parameters: Any) -> Reduced:
        """The library's map; each channel holds its share."""
        found = evidence.get(LibraryFullGrad())
        shares = (found.maps / evidence.inputs.shape[1]).expand_as(evidence.inputs).clone()
        return Reduced(shares, approximation=found.left_out)
