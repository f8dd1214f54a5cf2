"""Knowing which tensors still are the image, at most moved, pooled or rescaled, and what values they could hold."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call, on_tape, tensors_in
from saliency_viewer.attribution.rules.facts import Tracker
from saliency_viewer.attribution.rules.families import AVERAGING, MOVING, PRODUCTS, SUMS

Bounds = tuple[Any, Any]  # (smallest, largest), nested as an operator's result is
_RESCALING = PRODUCTS | SUMS | {"batch_norm"}
_FOLLOWED = MOVING | AVERAGING | _RESCALING


class ImageTrace(Tracker[Bounds]):
    """Smallest and largest possible value of every element of the image on its way to the first layer.

    Networks flatten, crop and normalise their input themselves. The bounds go through the same operators, which are
    all monotonic in each element.
    """

    def begin(self, image: Tensor, low: Tensor, high: Tensor) -> None:
        """Start at the network's input (N, C, *spatial) with bounds that broadcast to it."""
        self._facts.put(image, (low.expand_as(image), high.expand_as(image)))

    def expected(self, call: Call) -> Bounds | None:
        """The result's bounds; None when it is no longer the image."""
        if call.name not in _FOLLOWED or (call.in_place and self.of(call.input) is None):
            return None  # what is written into another tensor is no longer the image alone
        sources = [tensor for tensor in tensors_in([call.args, call.kwargs]) if on_tape(tensor)]
        known = [self.of(tensor) for tensor in sources]
        if not known or None in known or (call.name in _RESCALING and len(known) > 1):
            return None
        with torch.no_grad():
            one, other = (self._again(call, index) for index in (0, 1))
        return _pairwise(torch.minimum, one, other), _pairwise(torch.maximum, one, other)

    def note(self, result: Any, fact: Any) -> None:
        """Each tensor of a nested result gets its own bounds."""
        if fact is not None:
            for tensor, low, high in zip(*map(tensors_in, (result, *fact)), strict=True):
                self._facts.put(tensor, (low, high))

    def _again(self, call: Call, index: int) -> Any:
        """The operator on one of the bounds in place of the image."""
        args, kwargs = self._replaced(call.args, index), self._replaced(call.kwargs, index)
        return Call(call.function, args, kwargs).run()

    def _replaced(self, value: Any, index: int) -> Any:
        if isinstance(value, Tensor):
            found = self.of(value)
            # A copy, since in-place operators write to it and bounds are expanded.
            return value if found is None else found[index].clone()
        if isinstance(value, dict):
            return {key: self._replaced(item, index) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self._replaced(item, index) for item in value)
        return value


def _pairwise(choose: Any, one: Any, other: Any) -> Any:
    if isinstance(one, Tensor):
        return choose(one, other)
    return [_pairwise(choose, *pair) for pair in zip(tensors_in(one), tensors_in(other), strict=True)]
