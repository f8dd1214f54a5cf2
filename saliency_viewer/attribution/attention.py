"""Telling what is inside an attention from feature maps, whose number of axes it may have: (N, heads, tokens, size)."""

from __future__ import annotations

from typing import Any

from saliency_viewer.attribution.operators import Call, tensors_in
from saliency_viewer.attribution.recording import Step
from saliency_viewer.attribution.rules.facts import Facts
from saliency_viewer.attribution.rules.families import MOVING, PRODUCTS

_ATTENDING = frozenset({"scaled_dot_product_attention", "matmul", "bmm", "baddbmm", "einsum", "softmax"})
# Queries and keys may be normalised and scaled before they meet, and their products biased and masked afterwards.
_BEFORE_PRODUCTS = MOVING | PRODUCTS | {"layer_norm", "rms_norm"}
_BEFORE_SOFTMAX = _BEFORE_PRODUCTS | {"add", "masked_fill", "where"}


class Attention:
    """Watches the operators of one pass as they run, and then judges them, the latest first."""

    def __init__(self) -> None:
        self._results: Facts[bool] = Facts()  # what came out of an attention, at most moved since
        self._wanted: dict[int, frozenset[str]] = {}  # what goes into one, by which operators

    def watch(self, call: Call, result: Any) -> None:
        """See one operator."""
        if call.name in _ATTENDING or (call.name in MOVING and self._results.get(call.input)):
            for tensor in tensors_in(result):
                self._results.put(tensor, True)

    def at(self, step: Step) -> bool:
        """Whether a step is part of an attention. Asked of later steps first."""
        call, result, _ = step
        wanted: frozenset[str] = frozenset()
        for tensor in tensors_in(result):
            wanted |= self._wanted.get(id(tensor), frozenset())
        if call.name not in _ATTENDING and call.name not in wanted:
            return any(self._results.get(tensor) for tensor in tensors_in(result))
        if call.name in _ATTENDING:
            wanted = _BEFORE_SOFTMAX if call.name == "softmax" else _BEFORE_PRODUCTS
        for tensor in tensors_in([call.args, call.kwargs]):
            self._wanted[id(tensor)] = self._wanted.get(id(tensor), frozenset()) | wanted
        return True
