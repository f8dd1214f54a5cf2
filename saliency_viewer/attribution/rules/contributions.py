"""The positive and the negative contributions x w of a layer's inputs to its outputs, apart."""

from __future__ import annotations

from torch import Tensor

from saliency_viewer.attribution.rules.affine import Affine


class Contributions:
    """Clamps weights and inputs once, and leaves out what is zero because no input is negative."""

    def __init__(self, layer: Affine, inputs: Tensor) -> None:
        self._layer = layer
        # The scan is for inputs of which nothing is known: images, and maps behind a normalisation.
        nonnegative = layer.nonnegative or not bool((inputs < 0).any())
        self._high = inputs if nonnegative else inputs.clamp(min=0)
        self._low = None if nonnegative else inputs.clamp(max=0)
        self._weights: dict[bool, Tensor] = {}

    def _weight(self, raising: bool) -> Tensor:
        if raising not in self._weights:
            self._weights[raising] = self._layer.raising() if raising else self._layer.lowering()
        return self._weights[raising]

    def positive(self) -> Tensor:
        """x+ w+ + x- w- + b+, shaped like the outputs."""
        bias = None if self._layer.bias is None else self._layer.bias.clamp(min=0)
        total = self._layer.run(self._high, self._weight(True), bias)
        return total if self._low is None else total.add_(self._layer.run(self._low, self._weight(False), None))

    def negative(self) -> Tensor:
        """x+ w- + x- w+ + b-, shaped like the outputs."""
        bias = None if self._layer.bias is None else self._layer.bias.clamp(max=0)
        total = self._layer.run(self._high, self._weight(False), bias)
        return total if self._low is None else total.add_(self._layer.run(self._low, self._weight(True), None))

    def share(self, raising: Tensor, lowering: Tensor | None) -> Tensor:
        """Relevance of the inputs.

        ``raising`` and ``lowering`` (None: zero) are the outputs' relevance for each unit of positive and of negative
        contribution.
        """
        share = self._weighted(raising, lowering, True).mul_(self._high)
        if self._low is not None:
            share += self._weighted(raising, lowering, False).mul_(self._low)
        return share

    def _weighted(self, raising: Tensor, lowering: Tensor | None, of_positive: bool) -> Tensor:
        """Gradient for inputs of one sign: positive weights raise the output by positive inputs alone."""
        total = self._layer.back(raising, self._high, self._weight(of_positive))
        return (
            total
            if lowering is None
            else total.add_(self._layer.back(lowering, self._high, self._weight(not of_positive)))
        )
