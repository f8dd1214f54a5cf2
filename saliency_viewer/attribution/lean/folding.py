"""Which batch normalisations may be folded into which convolutions, learnt by watching one forward pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from saliency_viewer.attribution.operators import Call, tensors_in
from saliency_viewer.attribution.rules.affine import normalisation
from saliency_viewer.attribution.rules.convolution import Convolution
from saliency_viewer.attribution.rules.families import CONVOLUTIONS
from saliency_viewer.attribution.undefined import NotDefinedHere

# Questions about a tensor's form, which its values do not answer: batch normalisation itself asks for the dimensions.
_OF_FORM = frozenset({"dim", "ndimension", "size", "numel", "nelement", "len", "is_contiguous", "is_floating_point"})


@dataclass(frozen=True, eq=False)
class Folds:
    """What is folded into what.

    ``weights``: by the id of a convolution's weight, the folded weight and bias. ``skipped``: ids of the running means
    whose normalisation is then the identity.
    """

    weights: dict[int, tuple[Tensor, Tensor | None]] = field(default_factory=dict)
    skipped: frozenset[int] = frozenset()


class Observer:
    """Watches operators of one forward pass; :meth:`folds` tells what may be folded.

    A fold needs that every result of the convolution goes into that one normalisation and nowhere else.
    """

    def __init__(self) -> None:
        self._results: dict[int, tuple[Tensor, Call]] = {}  # the tensor is held so that its id stays its own
        self._uses: Counter[int] = Counter()
        self._pairs: list[tuple[Call, Call]] = []
        self._runs: Counter[int] = Counter()
        self._normalised: Counter[int] = Counter()

    def watch(self, call: Call, result: Any) -> None:
        """See one operator."""
        if call.name in _OF_FORM:
            return
        for tensor in tensors_in([call.args, call.kwargs]):
            if id(tensor) in self._results:
                self._uses[id(tensor)] += 1
        if call.name in CONVOLUTIONS and isinstance(result, Tensor):
            self._results[id(result)] = (result, call)
            self._runs[id(call.argument(1, "weight"))] += 1
        elif call.name == "batch_norm":
            self._normalised[id(call.argument(1, "running_mean"))] += 1
            before = self._results.get(id(call.input))
            if before is not None:
                self._pairs.append((before[1], call))

    def folds(self) -> Folds:
        """What one pass with other inputs may fold."""
        weights: dict[int, tuple[Tensor, Tensor | None]] = {}
        skipped = set()
        for convolution, norm in self._pairs:
            weight, mean = convolution.argument(1, "weight"), norm.argument(1, "running_mean")
            once = self._runs[id(weight)] == 1 and self._normalised[id(mean)] == 1 and self._uses[id(norm.input)] == 1
            if once and (folded := _folded(convolution, norm)) is not None:
                weights[id(weight)] = folded
                skipped.add(id(mean))
        self._results.clear()
        return Folds(weights, frozenset(skipped))


def _folded(convolution: Call, norm: Call) -> tuple[Tensor, Tensor | None] | None:
    """Weight and bias of the convolution with the normalisation in it, computed in double precision."""
    scale_and_shift = normalisation(norm)
    try:
        plain = Convolution.of(convolution, nonnegative=False)
    except NotDefinedHere:
        return None
    if scale_and_shift is None or plain.weight.requires_grad or not isinstance(plain.weight, torch.nn.Parameter):
        return None
    with torch.no_grad():
        scale, shift = (values.double() for values in scale_and_shift)
        weight = plain.weight.double() * scale.reshape(-1, *[1] * (plain.weight.ndim - 1))
        bias = shift if plain.bias is None else plain.bias.double() * scale + shift
    return weight.to(plain.weight.dtype), bias.to(plain.weight.dtype)
