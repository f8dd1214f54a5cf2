"""Convolutions in any dimension as rules of relevance see them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from saliency_viewer.attribution.geometry import Geometry
from saliency_viewer.attribution.operators import Call
from saliency_viewer.attribution.rules.affine import Affine
from saliency_viewer.attribution.undefined import NotDefinedHere


@dataclass(frozen=True, eq=False, kw_only=True)
class Convolution(Affine):
    """Inputs (N, K, *spatial), weight (L, K / groups, *kernel), bias (L,), and the geometry."""

    geometry: Geometry

    @classmethod
    def of(cls, call: Call, nonnegative: bool) -> Convolution:
        """Read a call of conv1d, conv2d or conv3d; raises :class:`NotDefinedHere` for asymmetric padding."""
        geometry = Geometry.of(call)
        if geometry is None:
            raise NotDefinedHere(
                "Layer-wise relevance is not implemented for 'same' padding of an even kernel, which this network has.",
                "Choose integrated gradients.",
            )
        weight, bias = call.argument(1, "weight"), call.argument(2, "bias")
        if call.input.ndim != weight.ndim:
            raise NotDefinedHere(
                "Layer-wise relevance is not implemented for convolutions of images without a batch axis.",
                "Choose integrated gradients.",
            )
        return cls(weight=weight, bias=bias, nonnegative=nonnegative, geometry=geometry)

    def run(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with another weight and bias."""
        return self.geometry.forward(inputs, weight, bias)

    def back(self, ratio: Tensor, inputs: Tensor, weight: Tensor) -> Tensor:
        """Gradient of the convolution with respect to its input."""
        return self.geometry.backward(ratio, weight, inputs.shape)
